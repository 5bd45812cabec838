// blocks: memory for tasks and for the frames of coroutines. They come and go by the million, in a
// few sizes, and often another thread frees them than the one that made them. So each thread keeps
// what it frees, and gives it out again. What it has too much of goes to the others, by the batch.
//
//                 first look            then             then              else
//   allocate()    own batch        <──  spare batch  <── a shared batch <── a new piece of memory
//   deallocate()  own batch        ──>  spare batch  ──> a shared batch
//
// What it buys on two cores, beside malloc: a million tasks, spawned and joined, take 0.4 of the
// time, a skynet 0.65, a chain of spawns 0.85. Why: malloc locks the memory of the thread that made
// a block when another frees it, and asks the system for each 4 KiB (15,000 calls of mprotect for
// 300,000 tasks); here larger pieces come. What it costs: nothing goes back to the system, and a
// block of one size never becomes one of another. Huge pages were tried: in a virtual machine the
// same million tasks then took 160 to 690 ns each from run to run, and without them 210 to 450.
//
// Thread safety: all functions by any thread.
//
// Invariants
//   1. A block is given out once until it comes back. It comes back with the size that was asked
//      for, by any thread.
//   2. A thread keeps two batches of each size at most. When it ends, others get what it had.
//   3. Under a sanitizer, under the model checker and in a debug build nothing is kept, so that
//      they see each block come and go; nor with RT_BLOCKS_KEEP_NOTHING, for who counts malloc's.
//
// The idea is Jeff Bonwick's magazines.
#pragma once

#include <cstddef>
#include <new>

#ifndef RT_BLOCKS_KEEP_NOTHING
#if defined(RT_MODEL_CHECKED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    !defined(NDEBUG)
#define RT_BLOCKS_KEEP_NOTHING
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RT_BLOCKS_KEEP_NOTHING
#endif
#endif
#endif
#ifdef RT_BLOCKS_KEEP_ALL_THE_SAME  // For its own test.
#undef RT_BLOCKS_KEEP_NOTHING
#endif

#ifdef RT_BLOCKS_KEEP_NOTHING

namespace rt::blocks {
inline namespace passing {

inline void* allocate(std::size_t size) { return ::operator new(size); }
inline void deallocate(void* block, std::size_t) noexcept { ::operator delete(block); }
inline std::size_t taken() noexcept { return 0; }

}  // namespace passing
}  // namespace rt::blocks

#else

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

namespace rt::blocks {
inline namespace keeping {
namespace detail {

// Std types, and static ones: which memory a task lies in is no business of a model checker.

inline constexpr std::size_t kUnit = 16;      // Sizes are rounded up to a multiple of it.
inline constexpr std::size_t kLargest = 512;  // More than that is operator new's.
inline constexpr std::size_t kSizes = kLargest / kUnit + 1;
inline constexpr std::uint32_t kBatch = 64;       // Blocks.
inline constexpr std::size_t kFirstPiece = 4096;  // A thread's; each next one is twice as large,
inline constexpr std::size_t kLargestPiece = 262144;  // up to this.
inline constexpr std::size_t kRegion = std::size_t{32} << 20;

// A block that nobody has.
struct Block {
  Block* next;        // In its batch.
  Block* next_batch;  // Of the first of a shared batch.
};
struct Batch {
  Block* first = nullptr;
  std::uint32_t size = 0;  // Or less: a thread that ends leaves what it has.
};
// Memory that was never given out.
struct Piece {
  std::size_t size() const noexcept { return static_cast<std::size_t>(end - next); }
  std::byte* next = nullptr;
  std::byte* end = nullptr;
};

// The batches of one size that no thread has.
struct alignas(64) SharedBatches {
  void put(Batch batch) noexcept {
    const std::lock_guard lock(mutex);
    // Relaxed, here and below: the lock orders it.
    batch.first->next_batch = first.load(std::memory_order_relaxed);
    first.store(batch.first, std::memory_order_relaxed);
  }
  Batch take() noexcept {
    Batch batch;
    if (first.load(std::memory_order_relaxed) == nullptr) return batch;  // The next one finds it.
    const std::lock_guard lock(mutex);
    batch.first = first.load(std::memory_order_relaxed);
    if (batch.first == nullptr) return batch;
    batch.size = kBatch;
    first.store(batch.first->next_batch, std::memory_order_relaxed);
    return batch;
  }
  std::mutex mutex;
  std::atomic<Block*> first{nullptr};
};
inline constinit SharedBatches shared_batches[kSizes];

// Where pieces come from.
struct Memory {
  Piece take(std::size_t size) {
    const std::lock_guard lock(mutex);
    if (left_over != nullptr) {
      Piece piece = left_over->piece;
      left_over = left_over->next;
      return piece;
    }
    if (region.size() < size) region = map_region();
    taken.fetch_add(size, std::memory_order_relaxed);  // Written under the lock.
    Piece piece;
    piece.next = std::exchange(region.next, region.next + size);
    piece.end = region.next;
    return piece;
  }
  // By a thread that ends.
  void put(Piece piece) noexcept {
    if (piece.size() < kLargest) return;
    const std::lock_guard lock(mutex);
    left_over = new (piece.next) LeftOver{piece, left_over};
  }
  static Piece map_region() {
    void* const memory = ::mmap(nullptr, kRegion, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    Piece piece;
    piece.next = static_cast<std::byte*>(memory);
    piece.end = piece.next + kRegion;
    return piece;
  }

  struct LeftOver {
    Piece piece;
    LeftOver* next;
  };
  std::mutex mutex;
  Piece region;
  LeftOver* left_over = nullptr;
  std::atomic<std::size_t> taken{0};
};
inline constinit Memory memory;

// Of this thread.
struct Mine {
  Batch own{nullptr, kBatch};  // "Full": so the first that comes back asks make_room().
  Batch spare;                 // Full, or empty.
};
inline constinit thread_local Mine mine[kSizes];
inline constinit thread_local Piece piece;
inline constinit thread_local std::size_t next_piece = kFirstPiece;
inline constinit thread_local bool is_over = false;  // It ends.

struct AtTheEnd {
  AtTheEnd() noexcept {}
  ~AtTheEnd() {
    is_over = true;
    for (std::size_t i = 0; i < kSizes; ++i) {
      const Batch own = std::exchange(mine[i].own, Mine().own);
      if (own.first != nullptr) shared_batches[i].put(own);
      const Batch spare = std::exchange(mine[i].spare, Batch());
      if (spare.first != nullptr) shared_batches[i].put(spare);
    }
    memory.put(std::exchange(piece, Piece()));
    next_piece = kFirstPiece;
  }
  void exist() noexcept {}
};
inline thread_local AtTheEnd at_the_end;

inline std::size_t index_of(std::size_t size) noexcept { return (size + kUnit - 1) / kUnit; }

inline void* carve(std::size_t size) {
  if (piece.size() < size) {
    piece = memory.take(next_piece);
    next_piece = std::min(2 * next_piece, kLargestPiece);
  }
  return std::exchange(piece.next, piece.next + size);
}

// A block, when the thread's own batch has none.
[[gnu::noinline]] inline void* refill(std::size_t index) {
  if (is_over) return carve(index * kUnit);
  at_the_end.exist();
  Mine& my = mine[index];
  my.own = std::exchange(my.spare, Batch());
  if (my.own.first == nullptr) my.own = shared_batches[index].take();
  Block* const block = my.own.first;
  if (block == nullptr) return carve(index * kUnit);
  my.own.first = block->next;
  --my.own.size;
  return block;
}

// Takes the block, when the thread's own batch is full.
[[gnu::noinline]] inline void make_room(std::size_t index, Block* block) noexcept {
  block->next = nullptr;
  if (is_over) return shared_batches[index].put(Batch{block, 1});
  at_the_end.exist();
  Mine& my = mine[index];
  if (my.own.first != nullptr) {  // Else it is the first that this thread gives back.
    if (my.spare.first != nullptr) shared_batches[index].put(my.spare);
    my.spare = my.own;
  }
  my.own = Batch{block, 1};
}

}  // namespace detail

// Memory for `size` bytes, aligned as operator new aligns it. Throws std::bad_alloc.
inline void* allocate(std::size_t size) {
  const std::size_t index = detail::index_of(size);
  if (index >= detail::kSizes) return ::operator new(size);
  detail::Batch& own = detail::mine[index].own;
  detail::Block* const block = own.first;
  if (block == nullptr) return detail::refill(index);
  own.first = block->next;
  // Its first word is read by the next call. A million tasks then take 0.9 of the time.
  __builtin_prefetch(own.first, 1);
  --own.size;
  return block;
}

// Gives it back, with the size that was asked for.
inline void deallocate(void* memory, std::size_t size) noexcept {
  const std::size_t index = detail::index_of(size);
  if (index >= detail::kSizes) return ::operator delete(memory);
  auto* const block = static_cast<detail::Block*>(memory);
  detail::Batch& own = detail::mine[index].own;
  if (own.size == detail::kBatch) return detail::make_room(index, block);
  block->next = own.first;
  own.first = block;
  ++own.size;
}

// How many bytes have been taken from the system.
inline std::size_t taken() noexcept {
  return detail::memory.taken.load(std::memory_order_relaxed);  // About so many.
}

}  // namespace keeping
}  // namespace rt::blocks

#endif
