// What a load may read, and what it orders. The rules are those of C++20, [intro.races] and
// [atomics.order], for executions in which each of these goes along with the order of execution:
// every modification order, and the single order of the seq_cst operations.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine.h"

namespace testkit::model::detail {
namespace {

bool is_acquire(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_consume ||
         order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}
bool is_release(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}
bool is_seq_cst(std::memory_order order) { return order == std::memory_order_seq_cst; }

const char* text_of(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return "relaxed";
    case std::memory_order_consume:
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    case std::memory_order_acq_rel:
      return "acq_rel";
    case std::memory_order_seq_cst:
      return "seq_cst";
  }
  return "";
}

const char* verb(Update how) {
  constexpr const char* kVerbs[] = {"exchanges ", "adds to ", "subtracts from ",
                                    "ands ",      "ors ",     "xors "};
  return kVerbs[static_cast<std::size_t>(how)];
}

// Whether some thread wrote or read the store at a moment that happens before `now`.
bool is_seen(const Store& store, const Clock& now) {
  for (std::size_t i = 0; i < Clock::kThreads; ++i) {
    if (store.seen[i] != 0 && now.covers(i, store.seen[i])) return true;
  }
  return false;
}

}  // namespace

std::uint64_t updated(Update how, std::uint64_t old, std::uint64_t operand, std::size_t bytes) {
  std::uint64_t next = operand;
  switch (how) {
    case Update::kExchange:
      break;
    case Update::kAdd:
      next = old + operand;
      break;
    case Update::kSubtract:
      next = old - operand;
      break;
    case Update::kAnd:
      next = old & operand;
      break;
    case Update::kOr:
      next = old | operand;
      break;
    case Update::kXor:
      next = old ^ operand;
      break;
  }
  return bytes == 8 ? next : next & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

// ---- objects ----

void Engine::made(Object& object, Kind kind, Place place) {
  if (used_records_ == records_.size()) records_.emplace_back();
  object.execution_ = execution_;
  object.record_ = static_cast<std::uint32_t>(used_records_++);
  Record& record = records_[object.record_];
  record.object = &object;
  record.kind = kind;
  record.is_alive = true;
  record.maker = static_cast<std::uint8_t>(current_);
  record.made_at = self().now[me()];
  record.chain = mix(self().chain, ++self().made);
  record.used_at = {};
  record.made = place;
  record.name.clear();
  record.stores = 0;
  record.writer = current_;
  record.wrote_at = record.made_at;
  record.wrote_where = place;
  record.owner = -1;
  record.is_set = false;
  record.sync = Clock();
}

void Engine::ended(Object& object) {
  Record& record = record_of(object, Place());
  check_ordered(record, self().where);
  for (const ModelThread& thread : threads_) {
    const bool waits = thread.wait == Wait::kMutex || thread.wait == Wait::kCondVar ||
                       thread.wait == Wait::kSignal;
    if (&thread - threads_.data() < started_ && waits && thread.wanted == object.record_) {
      fail(Verdict::kUseAfterEnd,
           description(record) + ", is destroyed while a thread waits for it", self().where);
    }
  }
  if (record.kind == Kind::kMutex && record.owner >= 0) {
    fail(Verdict::kMisuse, description(record) + ", is destroyed while it is locked", self().where);
  }
  // A waker's references are counted, by the checker and without a step of their own: so what the
  // last one destroys may have been woken by a thread that nothing else orders before it.
  const bool is_counted = record.kind == Kind::kSignal;
  for (std::size_t i = 0; i < Clock::kThreads && !is_counted; ++i) {
    if (record.used_at[i] != 0 && !self().now.covers(i, record.used_at[i])) {
      race(record, static_cast<int>(i), "uses", "destroys", self().where);
    }
  }
  record.is_alive = false;
  record.ended = self().where;
}

// `object` is dead, or of another execution, or no object any more.
void Engine::no_such_record(const Object& object, Place place) {
  // By its address: what stands in dead memory says nothing.
  for (std::size_t i = used_records_; i > 0; --i) {
    Record& record = records_[i - 1];
    if (record.object != &object) continue;
    fail(Verdict::kUseAfterEnd,
         description(record) + ", was destroyed by then" + at_place(record.ended), place);
  }
  fail(Verdict::kMisuse,
       "used in the scenario, and made outside of it: a static or captured object? Each execution "
       "makes all it uses (rt::sync::Global stands for a static)",
       place);
}

void Engine::deleted_twice() {
  fail(Verdict::kUseAfterEnd, "thread " + letter(current_) + " deletes what was deleted before",
       self().where);
}

// The record of an object that this thread uses now.
Record& Engine::use(const Object& object, Place place) {
  Record& record = record_of(object, place);
  check_ordered(record, place);
  record.used_at[me()] = self().now[me()];
  record.used_where[me()] = place;
  return record;
}

void Engine::not_published(Record& record, Place place) {
  fail(Verdict::kDataRace,
       "data race: " + letter(current_) + " uses " + description(record) +
           ", and nothing orders this after its making by " + letter(record.maker),
       place);
}

void Engine::race(Record& record, int other, const char* did, const char* does, Place place) {
  fail(Verdict::kDataRace,
       "data race on " + name(record, place) + ":\n  " + letter(other) + " " + did + " it" +
           at_place(record.used_where[static_cast<std::size_t>(other)]) + "\n  " +
           letter(current_) + " " + does + " it" + at_place(place) +
           "\n  and nothing orders the one before the other",
       place);
}

// ---- atomics ----

void Engine::make_atomic(const AtomicWord& word, std::uint64_t value, Shape shape) {
  Record& record = records_[word.record_];
  record.shape = shape;
  Store& first = record.store(record.stores++);
  first.value = value;
  first.chain = record.chain;
  first.sync = Clock();  // Whoever may use the atomic at all is ordered after its making already.
  first.seen = {};
  first.seen[me()] = record.made_at;
  first.seq_cst = 0;
  first.row = 0;
}

// The oldest store that this thread may read.
std::uint32_t Engine::oldest_readable(Record& record, bool by_seq_cst) {
  const Clock& now = self().now;
  const Fence* const fence = now.fence() == 0 ? nullptr : &fences_[now.fence() - 1U];
  const std::uint32_t last = record.stores - 1;
  const std::uint32_t first = record.stores > Record::kStores ? record.stores - Record::kStores : 0;
  for (std::uint32_t i = last; i > first; --i) {
    const Store& store = record.store(i);
    // Coherence, [intro.races] 14 to 18: what was written or read by something that happens before
    // this load, it may not go behind.
    if (is_seen(store, now)) return i;
    // A load that read an older store would be coherence-ordered before everything that wrote or
    // read this one. The order S of the seq_cst operations has to agree, [atomics.order] 4, and
    // what was executed comes earlier in it. So of these four pairs none may be the wrong way
    // round: 4.1: this load and a seq_cst operation on this store;
    if (by_seq_cst && store.seq_cst != 0) return i;
    // 4.2: this load and a seq_cst fence that comes after an operation on this store;
    if (by_seq_cst && !fences_.empty() && is_seen(store, fences_.back().before)) return i;
    // 4.3: a seq_cst fence before this load, and a seq_cst operation on this store;
    if (fence != nullptr && store.seq_cst != 0 && store.seq_cst < fence->number) return i;
    // 4.4: a seq_cst fence before this load, and one that comes after an operation on this store.
    if (fence != nullptr && is_seen(store, fence->before)) return i;
  }
  return first;
}

// The store that this load reads: a choice. The newest comes first. Of the older ones, those with
// the value `*except` are left out: a compare_exchange that expects it would not fail.
Store& Engine::pick(Record& record, bool by_seq_cst, const std::uint64_t* except) {
  const std::uint32_t last = record.stores - 1;
  std::array<std::uint32_t, Record::kStores> readable{last};
  std::size_t count = 1;
  for (std::uint32_t i = last, oldest = oldest_readable(record, by_seq_cst); i > oldest; --i) {
    const Store& store = record.store(i - 1);
    if (except != nullptr && store.value == *except) continue;
    // [intro.progress] 18: stores become visible in a finite time. A loop that yields has waited.
    const Tick seen = store.seen[me()];
    if (self().ever_yielded && seen != 0 && seen <= self().yielded_at) continue;
    readable[count++] = i - 1;
  }
  return record.store(readable[choose(Choice::kStore, count)]);
}

void Engine::read_from(Store& store, std::memory_order order) {
  ModelThread& thread = self();
  if (store.seen[me()] == 0) store.seen[me()] = thread.now[me()];
  if (is_seq_cst(order)) count_seq_cst(store);
  // [atomics.order] 2: a release operation synchronizes with an acquire operation that reads from
  // its release sequence. [atomics.fences] 4: an acquire fence later does for relaxed loads.
  (is_acquire(order) ? thread.now : thread.acquired).join(store.sync);
}

// `after`: what a read-modify-write has read; null for a plain store.
Store& Engine::append(Record& record, std::uint64_t value, std::memory_order order,
                      const Store* after) {
  ModelThread& thread = self();
  const std::uint64_t before = record.store(record.stores - 1).chain;
  // [atomics.fences] 2: a release fence makes the relaxed stores after it publish what was before.
  Clock sync = is_release(order) ? thread.now : thread.released;
  // [intro.races] 5: a release sequence goes on through read-modify-writes, by whatever thread, and
  // ends at any other store.
  if (after != nullptr) sync.join(after->sync);
  Store& store = record.store(record.stores++);
  store.value = value;
  store.sync = sync;
  store.seen = {};
  store.seen[me()] = thread.now[me()];
  store.seq_cst = 0;
  store.row = static_cast<int>(rows_.size());
  if (is_seq_cst(order)) count_seq_cst(store);
  done(mix(kStore, before));
  store.chain = thread.chain;
  if (is_seq_cst(order)) seq_cst_chain_ += thread.chain;
  return store;
}

void Engine::count_seq_cst(Store& store) {
  ++seq_cst_;
  if (store.seq_cst == 0) store.seq_cst = seq_cst_;
}

std::uint64_t Engine::load(const AtomicWord& word, std::memory_order order, Place place) {
  point(place);
  Record& record = use(word, place);
  Store& store = pick(record, is_seq_cst(order), nullptr);
  if (is_tracing_) {
    row("reads ", record, ": ", value_text(record, store.value), " (", text_of(order), ")",
        missed(record, store));
  }
  finish_load(store, order);
  return store.value;
}

void Engine::finish_load(Store& store, std::memory_order order) {
  read_from(store, order);
  done(mix(kLoad, store.chain));
  if (is_seq_cst(order)) seq_cst_chain_ += self().chain;
}

void Engine::store(AtomicWord& word, std::uint64_t value, std::memory_order order, Place place) {
  point(place);
  Record& record = use(word, place);
  if (is_tracing_) {
    row("writes ", record, ": ", value_text(record, value), " (", text_of(order), ")");
  }
  append(record, value, order, nullptr);
}

std::uint64_t Engine::update(AtomicWord& word, Update how, std::uint64_t operand,
                             std::memory_order order, Place place) {
  point(place);
  ++self().costs.updates;
  Record& record = use(word, place);
  // [atomics.order] 10: a read-modify-write reads the last value before its own in the
  // modification order.
  Store& last = record.store(record.stores - 1);
  const std::uint64_t old = last.value;
  const std::uint64_t next = updated(how, old, operand, record.shape.bytes);
  if (is_tracing_) {
    row(verb(how), record, ": ", value_text(record, old), " -> ", value_text(record, next), " (",
        text_of(order), ")");
  }
  read_from(last, order);
  append(record, next, order, &last);
  return old;
}

bool Engine::compare_exchange(AtomicWord& word, std::uint64_t& expected, std::uint64_t desired,
                              std::memory_order success, std::memory_order failure, bool is_weak,
                              Place place) {
  point(place);
  ++self().costs.updates;
  Record& record = use(word, place);
  Store& last = record.store(record.stores - 1);
  const bool can_succeed = last.value == expected;
  Store& store = failures_left_ > 0 ? pick(record, is_seq_cst(failure), &expected) : last;
  bool needless = &store != &last;
  if (can_succeed && !needless && is_weak && failures_left_ > 0) {
    needless = choose(Choice::kWeakFailure, 2) == 1;
  }
  if (can_succeed && !needless) {
    if (is_tracing_) {
      row("CAS ", record, ": ", value_text(record, expected), " -> ", value_text(record, desired),
          " (", text_of(success), ")");
    }
    read_from(last, success);
    append(record, desired, success, &last);
    return true;
  }
  if (needless) --failures_left_;
  if (is_tracing_) {
    row("CAS ", record, ": ", value_text(record, expected), " -> ", value_text(record, desired),
        " fails",
        store.value == expected ? " for no reason" : ", reads " + value_text(record, store.value),
        " (", text_of(failure), ")", missed(record, store));
  }
  expected = store.value;
  finish_load(store, failure);
  return false;
}

void Engine::fence(std::memory_order order, Place place) {
  point(place);
  ModelThread& thread = self();
  row("fence (", text_of(order), ")");
  if (is_acquire(order)) thread.now.join(thread.acquired);
  if (is_seq_cst(order)) {
    Clock before = thread.now;
    if (!fences_.empty()) before.join(fences_.back().before);
    fences_.push_back({++seq_cst_, before});
    thread.now.set_fence(static_cast<Tick>(fences_.size()));
  }
  if (is_release(order)) thread.released = thread.now;
  // Which seq_cst operations came before it in their order is not seen in any other chain.
  done(mix(kFence, is_seq_cst(order) ? seq_cst_chain_ : 0));
  if (is_seq_cst(order)) seq_cst_chain_ += thread.chain;
}

// ---- cells ----

// [intro.races] 21: two accesses to plain memory by two threads, one of them a write, and neither
// happens before the other. That they were not at the same time in this execution is no excuse.

// Between two points nobody else has a turn. A loop that never comes to one has no end.
void Engine::count_access(Place place) {
  constexpr std::size_t kMost = 10'000, kShown = 12;
  if (++accesses_ <= kMost) return;
  if (rows_.size() > rows_at_point_ + kShown) {  // Of the loop; what led to it stands before them.
    rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(rows_at_point_ + kShown), rows_.end());
  }
  fail(Verdict::kLivelock,
       "no end: " + std::to_string(kMost) +
           " accesses to cells, and so on. Does a loop count too far?",
       place);
}

void Engine::read_cell(const Object& cell, Place place) {
  self().where = place;
  count_access(place);
  Record& record = use(cell, place);
  row("reads the cell ", record);
  if (!self().now.covers(static_cast<std::size_t>(record.writer), record.wrote_at)) {
    record.used_where[static_cast<std::size_t>(record.writer)] = record.wrote_where;
    race(record, record.writer, "writes", "reads", place);
  }
}

void Engine::write_cell(Object& cell, Place place) {
  self().where = place;
  count_access(place);
  Record& record = use(cell, place);
  row("writes the cell ", record);
  for (std::size_t i = 0; i < Clock::kThreads; ++i) {
    if (record.used_at[i] != 0 && !self().now.covers(i, record.used_at[i])) {
      const bool wrote =
          static_cast<int>(i) == record.writer && record.wrote_at == record.used_at[i];
      race(record, static_cast<int>(i), wrote ? "writes" : "reads", "writes", place);
    }
  }
  record.writer = current_;
  record.wrote_at = self().now[me()];
  record.wrote_where = place;
}

}  // namespace testkit::model::detail
