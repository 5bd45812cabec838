// The newest runtime of the course; with RT_SUBJECT=learner, the learner's own.
#include "ours/ours.h"

#include "ours/blocking.h"
#include "ours/workloads.h"

int main(int argc, char** argv) {
  bench::Workloads all = bench::workloads<bench::Ours>();
  bench::add_blocking<bench::Ours>(all);
  return bench::run(argc, argv, all);
}
