// A chat: whoever connects says a name, and then everybody hears what anybody says.
//
//   chat [PORT]         then, in several terminals: nc 127.0.0.1 PORT
//   chat --self-test
//
// Each client is one task, which waits for two things at once: for bytes of its client, and for
// news from the others. The race drops the one that loses, and dropping a future cancels it: a read
// that is dropped has read nothing. There is no lock, since all tasks share a thread.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "demo/server_program.h"
#include "demo/sockets.h"
#include "demo/tcp_server.h"
#include "rt/future/async.h"
#include "rt/future/combinators.h"
#include "rt/future/manual_event.h"
#include "rt/net/tcp.h"
#include "rt/time/sleep.h"

namespace {

constexpr std::size_t kLongestLine = 1'000;
constexpr std::size_t kMostUnread = 64 * 1024;  // Of one client, before it is let go.
constexpr absl::Duration kPatience = absl::Seconds(10);

class Room;

// One client, as the others see it.
class Member {
 public:
  explicit Member(Room& room) : room_(room) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member();

  // Everything that came from this client. False: it has left, or does not behave.
  bool hears(absl::string_view bytes);

  void tell(absl::string_view text) {
    absl::StrAppend(&unread_, text, "\n");
    news_.set();
  }
  rt::ManualEvent::Wait news() { return news_.wait(); }
  std::string take_unread() {
    news_.reset();
    return std::exchange(unread_, {});
  }
  bool is_too_slow() const { return unread_.size() > kMostUnread; }
  const std::string& name() const { return name_; }  // Empty until it has said it.

 private:
  bool says(std::string line);

  Room& room_;
  std::string name_;
  std::string line_;    // As far as it has come.
  std::string unread_;  // On its way to the client.
  rt::ManualEvent news_;
};

class Room {
 public:
  bool enter(Member& member, absl::string_view name) {
    for (const Member* other : members_) {
      if (other->name() == name) return false;
    }
    tell_all(absl::StrCat("* ", name, " has come"));
    member.tell(absl::StrCat("* You are ", name, ", and with you there are ", members_.size() + 1,
                             ". /who says who, /quit leaves."));
    members_.push_back(&member);
    return true;
  }
  void leave(Member& member) {
    if (std::erase(members_, &member) > 0) tell_all(absl::StrCat("* ", member.name(), " has left"));
  }
  void tell_all(absl::string_view text, const Member* but = nullptr) {
    for (Member* member : members_) {
      if (member != but && !member->is_too_slow()) member->tell(text);
    }
  }
  std::string names() const {
    std::string all = "*";
    for (const Member* member : members_) absl::StrAppend(&all, " ", member->name());
    return all;
  }

 private:
  std::vector<Member*> members_;
};

Member::~Member() { room_.leave(*this); }

bool Member::hears(absl::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n') {
      if (!says(std::exchange(line_, {}))) return false;
    } else if (line_.size() == kLongestLine) {
      return false;
    } else if (static_cast<unsigned char>(c) >= ' ' && c != '\x7f') {
      line_ += c;  // No control characters: they would reach the others' terminals.
    }
  }
  return true;
}

bool Member::says(std::string line) {
  absl::StripAsciiWhitespace(&line);
  if (line == "/quit") return false;
  if (name_.empty()) {
    if (line.empty() || line.size() > 20 || !room_.enter(*this, line)) {
      tell("* Another name, please.");
    } else {
      name_ = std::move(line);
    }
  } else if (line == "/who") {
    tell(room_.names());
  } else if (!line.empty()) {
    room_.tell_all(absl::StrCat(name_, ": ", line), this);
  }
  return true;
}

class ChatServer final : public demo::TcpServer {
  rt::Async<> serve_one(rt::TcpStream stream, Guest guest) override {
    std::array<char, 512> buffer;
    Member member(room_);
    member.tell("* Your name?");
    while (!member.is_too_slow()) {
      auto first = co_await rt::race(member.news(), stream.read(absl::MakeSpan(buffer)));
      if (first.index() == 0) {
        const std::string unread = member.take_unread();
        if (!(co_await rt::timeout(kPatience, stream.write_all(unread))).ok()) co_return;
      } else {
        const absl::StatusOr<std::size_t>& got = std::get<1>(first);
        if (!got.ok() || *got == 0) co_return;
        if (!member.hears(absl::string_view(buffer.data(), *got))) co_return;
      }
    }
  }

  Room room_;
};

// --- The self-test -------------------------------------------------------------------------------

class Talker {
 public:
  Talker(uint16_t port, absl::string_view name) : client_(port) {
    client_.say(absl::StrCat(name, "\n"));
  }
  void say(absl::string_view line) const { client_.say(absl::StrCat(line, "\n")); }
  // Reads lines until this one comes. False: it has not come, and the server has ended.
  bool waits_for(absl::string_view line) {
    while (true) {
      const std::size_t end = heard_.find('\n');
      if (end == heard_.npos) {
        const std::string more = client_.hear_some();
        if (more.empty()) return false;
        heard_ += more;
        continue;
      }
      const bool found = absl::string_view(heard_).substr(0, end) == line;
      heard_.erase(0, end + 1);
      if (found) return true;
    }
  }

 private:
  demo::Client client_;
  std::string heard_;
};

bool try_out(uint16_t port) {
  constexpr int kTalkers = 50;
  bool good = true;
  std::vector<Talker> talkers;
  for (int i = 0; i < kTalkers; ++i) {
    talkers.emplace_back(port, absl::StrCat("guest ", i));
    good &=
        talkers.back().waits_for(absl::StrCat("* You are guest ", i, ", and with you there are ",
                                              i + 1, ". /who says who, /quit leaves."));
  }
  talkers[7].say("hello, all of you");
  talkers[3].say("and goodbye");
  int heard = 0;
  for (int i = 0; i < kTalkers; ++i) {
    if (i != 7 && talkers[static_cast<std::size_t>(i)].waits_for("guest 7: hello, all of you")) {
      ++heard;
    }
  }
  std::printf("guest 7 said hello, and %d of %d others heard it.\n", heard, kTalkers - 1);
  talkers.pop_back();
  good &= talkers[7].waits_for("* guest 49 has left");
  std::printf("guest 49 left, and guest 7 was told so.\n");
  return good && heard == kTalkers - 1;
}

}  // namespace

int main(int argc, char** argv) {
  ChatServer server;
  return demo::run_server(argc, argv, "chat: a task for each client, one thread in epoll", server,
                          try_out);
}
