// Sends back what it is sent, on 127.0.0.1, until it is ended:
//   rt_echo_server [PORT]
#include <array>
#include <cstdio>
#include <cstdlib>

#include "rt/rt.h"

rt::Async<> echo(rt::TcpStream stream) {
  std::array<char, 4096> buffer;
  while (true) {
    const absl::StatusOr<std::size_t> got = co_await stream.read(absl::MakeSpan(buffer));
    if (!got.ok() || *got == 0) co_return;
    const absl::Status sent = co_await stream.write_all({buffer.data(), *got});
    if (!sent.ok()) co_return;
  }
}

rt::Async<absl::Status> serve(uint16_t port) {
  auto listener = rt::TcpListener::bind(rt::SocketAddress::loopback(port));
  if (!listener.ok()) co_return listener.status();
  std::printf("listening on %s\n", listener->local_address()->to_string().c_str());
  std::fflush(stdout);
  while (true) {
    absl::StatusOr<rt::TcpStream> stream = co_await listener->accept();
    if (!stream.ok()) co_return stream.status();
    rt::spawn(echo(*std::move(stream))).detach();
  }
}

int main(int argc, char** argv) {
  auto runtime = rt::Runtime::Builder().thread_name("echo").build();
  if (!runtime.ok()) return 1;
  const absl::Status ended = (*runtime)->block_on(serve(argc > 1 ? std::atoi(argv[1]) : 0));
  if (!ended.ok()) std::fprintf(stderr, "%s\n", ended.ToString().c_str());
  return ended.ok() ? 0 : 1;
}
