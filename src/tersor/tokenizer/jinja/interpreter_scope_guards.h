// What the interpreter holds on to for the length of a C++ scope.
#pragma once

#include <utility>

#include "tersor/tokenizer/jinja/interpreter.h"

namespace tersor::jinja {

// Restores a member on the way out.
template <class T>
class Restore {
 public:
  Restore(T& place, T value) : place_(place), saved_(std::exchange(place, std::move(value))) {}
  ~Restore() { place_ = std::move(saved_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& place_;
  T saved_;
};

// One level deeper; throws beyond the limit.
class Interpreter::Level {
 public:
  explicit Level(Interpreter& in) : in_(in) {
    if (++in.depth_ > in.limits_.depth)
      throw TemplateError("blocks, expressions or calls are nested too deeply");
  }
  ~Level() { --in_.depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  Interpreter& in_;
};

}  // namespace tersor::jinja
