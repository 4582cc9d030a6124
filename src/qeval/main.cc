#include "qeval/cli/app.h"

int main(int argc, char** argv) { return qeval::run_cli(argc, argv); }
