#include "tersor/cli/interrupts.h"

#include <csignal>

#include <gtest/gtest.h>

namespace tersor {
namespace {

TEST(Interrupts, EndTheProcessAndSayHowToGoOn) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto interrupted = [signal] {
      std::signal(signal, SIG_DFL);  // a test that runs in the background inherits SIG_IGN
      const SayHowToGoOn lives;
      std::raise(signal);
    };
    EXPECT_EXIT(interrupted(), testing::KilledBySignal(signal), "the same command goes on");
  }
}

TEST(Interrupts, SayNothingOutsideOfARun) {
  const auto interrupted = [] {
    std::signal(SIGINT, SIG_DFL);
    {
      const SayHowToGoOn lived;
    }
    std::raise(SIGINT);
  };
  EXPECT_EXIT(interrupted(), testing::KilledBySignal(SIGINT), "^$");
}

TEST(Interrupts, WhatWasIgnoredStaysIgnored) {
  const auto ignored = [] {
    std::signal(SIGINT, SIG_IGN);
    {
      const SayHowToGoOn lives;
      std::raise(SIGINT);
    }
    std::raise(SIGINT);
    std::_Exit(3);
  };
  EXPECT_EXIT(ignored(), testing::ExitedWithCode(3), "^$");
}

}  // namespace
}  // namespace tersor
