// Module 3's pool, for those who compare it with what came after.
#include "ours/pool.h"

#include "ours/workloads.h"

int main(int argc, char** argv) { return bench::run(argc, argv, bench::workloads<bench::Pool>()); }
