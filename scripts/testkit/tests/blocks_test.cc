// The memory of tasks and frames. Under sanitizers blocks keeps nothing, unless it is told to.
#define RT_BLOCKS_KEEP_ALL_THE_SAME
#include "rt/platform/blocks.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace {

using rt::blocks::allocate;
using rt::blocks::deallocate;
using rt::blocks::taken;

// A block that knows what was written into it.
struct Written {
  Written(std::size_t s, unsigned char b) : memory(allocate(s)), size(s), byte(b) {
    std::memset(memory, byte, size);
  }
  bool is_as_it_was() const {
    const auto* const bytes = static_cast<const unsigned char*>(memory);
    for (std::size_t i = 0; i < size; ++i) {
      if (bytes[i] != byte) return false;
    }
    return true;
  }
  void* memory;
  std::size_t size;
  unsigned char byte;
};

TEST(Blocks, NoTwoShareAByte) {
  std::vector<Written> all;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size = 1; size <= 600; size += 7) {
      all.emplace_back(size, static_cast<unsigned char>(all.size()));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all.back().memory) % 16, 0u) << size;
    }
    // Every third one goes, and comes again.
    for (std::size_t i = 0; i < all.size(); i += 3) {
      EXPECT_TRUE(all[i].is_as_it_was()) << all[i].size;
      deallocate(all[i].memory, all[i].size);
      all[i] = Written(all[i].size, static_cast<unsigned char>(i + 1));
    }
  }
  for (const Written& one : all) {
    EXPECT_TRUE(one.is_as_it_was()) << one.size;
    deallocate(one.memory, one.size);
  }
}

TEST(Blocks, WhatComesBackIsGivenOutAgain) {
  for (const std::size_t count : {1, 63, 64, 65, 1000}) {
    std::set<void*> first, second;
    for (std::size_t i = 0; i < count; ++i) first.insert(allocate(100));
    EXPECT_EQ(first.size(), count);
    for (void* block : first) deallocate(block, 100);
    for (std::size_t i = 0; i < count; ++i) second.insert(allocate(100));
    EXPECT_EQ(first, second);
    for (void* block : second) deallocate(block, 100);
  }
}

// Bug it is here for: memory that gathers at the thread that frees.
TEST(Blocks, OneThreadAllocatesAndAnotherFrees) {
  constexpr std::size_t kRounds = 50, kCount = 2000;
  std::size_t after_first = 0;
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::vector<Written> all;
    for (std::size_t i = 0; i < kCount; ++i) all.emplace_back(96, static_cast<unsigned char>(i));
    std::thread([&all] {
      for (const Written& one : all) {
        EXPECT_TRUE(one.is_as_it_was());
        deallocate(one.memory, one.size);
      }
    }).join();
    if (round == 0) after_first = taken();
  }
  EXPECT_LE(taken(), after_first + 262144);  // A piece, where the first round ended within one.
}

// Bug it is here for: a thread that ends and takes with it what it has.
TEST(Blocks, ManyThreadsOneAfterTheOther) {
  const auto run = [] {
    std::thread([] {
      std::vector<void*> all;
      for (std::size_t i = 0; i < 100; ++i) all.push_back(allocate(64));
      for (void* block : all) deallocate(block, 64);
    }).join();
  };
  run();
  const std::size_t before = taken();
  for (int i = 0; i < 300; ++i) run();
  EXPECT_LE(taken(), before + 65536);
}

// Bug it is here for: a thread that only frees, and too few to fill a batch.
TEST(Blocks, WhoOnlyFreesLeavesItToOthers) {
  const std::size_t before = taken();
  for (int i = 0; i < 1000; ++i) {
    void* const block = allocate(128);
    std::thread([block] { deallocate(block, 128); }).join();
  }
  EXPECT_LE(taken(), before + 65536);
}

TEST(Blocks, SeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (unsigned char t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::vector<Written> mine;
      for (std::size_t i = 0; i < 20'000; ++i) {
        mine.emplace_back(16 + i % 5 * 40, t);
        if (mine.size() < 300) continue;
        for (std::size_t j = 0; j < 250; ++j) {
          EXPECT_TRUE(mine.back().is_as_it_was());
          deallocate(mine.back().memory, mine.back().size);
          mine.pop_back();
        }
      }
      for (const Written& one : mine) deallocate(one.memory, one.size);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
