// What a test adds to the report of a hang: testkit::on_hang([&] { return executor.describe(); }).
#pragma once

#include <functional>
#include <string>

namespace testkit {

// `describe` is called if the running test hangs; what it returns becomes part of the report. It is
// forgotten when the next test starts. It is called on a thread of its own while all the others are
// stuck, so it must take no lock that one of them may hold; if it does not return, the report goes
// on without it. What it refers to must live until the test ends.
//
// Thread safety: any thread.
void on_hang(std::function<std::string()> describe);

// The same for all tests of the program, and for one function. Returns true.
bool on_every_hang(std::string (*describe)());

// The same for a scope: what `describe` refers to need only outlive this object.
class HangNote {
 public:
  explicit HangNote(std::function<std::string()> describe);
  ~HangNote();
  HangNote(const HangNote&) = delete;
  HangNote& operator=(const HangNote&) = delete;

 private:
  int id_;
};

}  // namespace testkit
