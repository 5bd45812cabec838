// Described: something that can say in what state it is. If a test hangs, the test kit asks all of
// them that live, and what they say is part of the report.
//
// Thread safety: any thread.
//
// Invariant
//   `describe` is called while the program is stuck, on a thread of its own. So it takes no lock,
//   and reads what others may write. It is not called any more once the destructor has returned.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <utility>

namespace rt {

class [[nodiscard]] Described {
 public:
  using Describe = std::function<std::string()>;

#ifndef RT_MODEL_CHECKED
  explicit Described(Describe describe) {
    const std::lock_guard lock(list().mutex);
    self_ = list().all.insert(list().all.end(), std::move(describe));
  }
  Described(const Described&) = delete;
  Described& operator=(const Described&) = delete;
  ~Described() {
    const std::lock_guard lock(list().mutex);
    list().all.erase(self_);
  }

  // A line or more for each, in the order in which they were made. Empty, if the list is being
  // changed at this moment.
  static std::string all() {
    const std::unique_lock lock(list().mutex, std::try_to_lock);
    std::string text;
    if (!lock.owns_lock()) return text;
    for (const Describe& describe : list().all) text += describe();
    return text;
  }

 private:
  struct List {
    std::mutex mutex;
    std::list<Describe> all;  // Guarded by the mutex.
  };
  // Never destroyed: some live as long as the program.
  static List& list() {
    static List* const it = new List;
    return *it;
  }

  std::list<Describe>::iterator self_;
#else
  // The checker shows more than that.
  explicit Described(const Describe&) noexcept {}
  Described(const Described&) = delete;
  Described& operator=(const Described&) = delete;
  ~Described() {}
  static std::string all() { return ""; }
#endif
};

}  // namespace rt
