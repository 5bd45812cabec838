// The newest runtime of the course; with RT_SUBJECT=learner, the learner's own.
#include "ours/ours.h"

#include "ours/workloads.h"

int main(int argc, char** argv) { return bench::run(argc, argv, bench::workloads<bench::Ours>()); }
