// A crowd of clients for an echo server, in a process of their own: all are connected at once, each
// is served, and then the server's memory and threads are looked at.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "demo/server_program.h"
#include "demo/sockets.h"

namespace demo {

// A number that /proc/self/status has: "VmRSS:" in kB, "Threads:".
inline long own_status(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long number = 0;
    if (word == key && status >> number) return number;
  }
  return 0;
}

namespace internal {

// The other process: waits for a word on `go`, connects `size` clients, lets each say something,
// tells `ready`, waits for another word, lets each speak again. Its exit code is 0 if all were
// served.
[[noreturn]] inline void be_the_crowd(uint16_t port, int size, int go, int ready) {
  char word = 0;
  if (::read(go, &word, 1) != 1) ::_exit(1);
  std::vector<Client> clients;
  int served = 0;
  for (int i = 0; i < size; ++i) clients.emplace_back(port);
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < clients.size(); ++i) {
      const std::string words = absl::StrCat("client ", i, " of ", size, "\n");
      if (clients[i].say(words) && clients[i].hear(words.size()) == words) ++served;
    }
    if (round == 0 && (::write(ready, &word, 1) != 1 || ::read(go, &word, 1) != 1)) ::_exit(1);
  }
  ::_exit(served == 2 * size ? 0 : 1);
}

}  // namespace internal

// Serves `size` clients at once, says what that takes, and ends.
inline int run_crowd(absl::string_view name, Server& server, int size) {
  const rlim_t needed = static_cast<rlim_t>(size) + 64;
  const rlim_t allowed = raise_open_files();
  if (allowed < needed) {
    std::fprintf(stderr,
                 "%s: %d clients need %lu open files in the server, and as many in the other\n"
                 "process. This one may have %lu, which is the hard limit (ulimit -Hn). An\n"
                 "administrator can raise it; or try fewer clients.\n",
                 std::string(name).c_str(), size, static_cast<unsigned long>(needed),
                 static_cast<unsigned long>(allowed));
    return 1;
  }
  std::array<int, 2> go{}, ready{};
  if (::pipe(go.data()) != 0 || ::pipe(ready.data()) != 0) {
    std::perror("pipe");
    return 1;
  }
  const absl::StatusOr<uint16_t> port = server.listen(0);
  if (!port.ok()) return internal::complain(name, port.status());
  const pid_t crowd = ::fork();  // Before the first thread.
  if (crowd == 0) {
    ::close(go[1]);
    internal::be_the_crowd(*port, size, go[0], ready[1]);
  }
  if (crowd < 0) {
    std::perror("fork");
    return 1;
  }
  ::close(go[0]);
  ::close(ready[1]);

  absl::Status served;
  std::thread thread([&] { served = server.serve(); });
  {
    const Client first(*port);  // What the first client costs is not what each costs.
    first.say("x");
    first.hear(1);
  }
  const long before = own_status("VmRSS:");
  char word = 'x';
  const bool are_in = ::write(go[1], &word, 1) == 1 && ::read(ready[0], &word, 1) == 1;
  if (are_in) {
    std::printf("%d clients are connected, and each was served.\n", size);
    const double more = static_cast<double>(own_status("VmRSS:") - before) * 1024;
    std::printf("Threads that serve them: %ld. Memory for each: %.0f bytes of the server's own;\n",
                own_status("Threads:") - 1, more / size);
    std::printf("what the kernel keeps for a socket comes on top.\n");
    if (::write(go[1], &word, 1) != 1) std::perror("write");
  }
  ::close(go[1]);
  int status = 0;
  ::waitpid(crowd, &status, 0);
  const bool good = are_in && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  std::printf(good ? "All were served twice.\n" : "Not all of them were served.\n");
  server.stop();
  thread.join();
  ::close(ready[0]);
  if (!served.ok()) return internal::complain(name, served);
  return good ? 0 : 1;
}

}  // namespace demo
