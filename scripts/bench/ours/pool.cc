// Module 3's pool, for those who compare it with what came after.
#include "ours/started.h"
#include "ours/workloads.h"
#include "rt/runtime/io_pool.h"

int main(int argc, char** argv) {
  return bench::run(argc, argv, bench::workloads<bench::Started<rt::IoPool>>());
}
