#include "tersor/cli/run.h"

int main(int argc, char** argv) { return tersor::run(argc, argv); }
