// What all checked objects have in common: an entry in the checker's books of one execution.
#pragma once

#include <cstdint>
#include <source_location>

namespace testkit::model {

using Place = std::source_location;

namespace detail {

enum class Kind : std::uint8_t { kAtomic, kCell, kMutex, kCondVar, kSignal, kTracked };

// How a value is shown.
enum class Form : std::uint8_t { kSigned, kUnsigned, kBool, kPointer };

struct Shape {
  std::uint8_t bytes;
  Form form;
};

// Thread safety: the model threads of a scenario are fibers of one thread of the system. Outside of
// a scenario an object is a plain value without any check.
//
// Invariants
//   1. An object is made and destroyed once, in the same execution.
//   2. Making it happens before every use, and every use happens before destroying it. Anything
//      else is reported: as a data race if nothing orders the two, else as a use after the end.
class Object {
 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

 protected:
  Object(Kind kind, Place place) noexcept;
  ~Object();

 private:
  friend class Engine;
  std::uint32_t execution_ = 0;  // 0: made outside of any.
  std::uint32_t record_ = 0;
};

}  // namespace detail
}  // namespace testkit::model
