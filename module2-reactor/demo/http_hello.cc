// A small web server: HTTP/1.1 with keep-alive and pipelining, a task for each connection.
//
//   http_hello [PORT]       then: curl -i http://127.0.0.1:PORT/     or: wrk http://127.0.0.1:PORT/
//   http_hello --self-test
//
// It reads requests, says hello, and tells those apart that are wrong. It is one page on purpose:
// no files, no TLS, no request bodies beyond skipping them. A client that says nothing for half a
// minute is let go: a timer that is set for each read, and cancelled by nearly every one.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "demo/server_program.h"
#include "demo/sockets.h"
#include "demo/tcp_server.h"
#include "rt/future/async.h"
#include "rt/net/tcp.h"
#include "rt/time/sleep.h"

namespace {

constexpr absl::string_view kPage = "Hello from one thread.\n";
constexpr std::size_t kLongestHead = 8'192;
constexpr std::uint64_t kLongestBody = 1 << 20;
constexpr absl::Duration kPatience = absl::Seconds(30);

// --- HTTP, without any waiting -------------------------------------------------------------------

// What is answered to one request.
struct Answer {
  Answer(int s, absl::string_view r) : status(s), reason(r) {}
  int status;
  absl::string_view reason;
  bool keep_alive = false;  // A wrong request ends the connection: who knows where it ends.
  bool only_head = false;
  std::uint64_t body_to_skip = 0;
};

bool is_token(absl::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
        !absl::StrContains("!#$%&'*+-.^_`|~", absl::string_view(&c, 1))) {
      return false;
    }
  }
  return true;
}

// The header fields that matter here.
struct Fields {
  Fields() = default;
  int hosts = 0;
  bool close = false, keep_alive = false, has_coding = false, wrong = false;
  std::optional<std::uint64_t> length;

  void add(absl::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon))) {
      wrong = true;
      return;
    }
    const absl::string_view name = line.substr(0, colon);
    const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
    if (absl::EqualsIgnoreCase(name, "host")) ++hosts;
    if (absl::EqualsIgnoreCase(name, "transfer-encoding")) has_coding = true;
    if (absl::EqualsIgnoreCase(name, "content-length")) {
      std::uint64_t number = 0;
      const bool digits = value.find_first_not_of("0123456789") == value.npos;
      wrong = wrong || !digits || !absl::SimpleAtoi(value, &number) ||
              (length.has_value() && *length != number);
      length = number;
    }
    if (absl::EqualsIgnoreCase(name, "connection")) {
      for (const absl::string_view part : absl::StrSplit(value, ',')) {
        const absl::string_view option = absl::StripAsciiWhitespace(part);
        close = close || absl::EqualsIgnoreCase(option, "close");
        keep_alive = keep_alive || absl::EqualsIgnoreCase(option, "keep-alive");
      }
    }
  }
};

// `head`: the request line and the fields, without the empty line at the end.
Answer answer_to(absl::string_view head) {
  std::size_t end = head.find("\r\n");
  const absl::string_view line = head.substr(0, end);
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == last) return {400, "Bad Request"};
  const absl::string_view method = line.substr(0, first);
  const absl::string_view target = line.substr(first + 1, last - first - 1);
  const absl::string_view version = line.substr(last + 1);
  if (!is_token(method) || target.empty() || absl::StrContains(target, ' ')) {
    return {400, "Bad Request"};
  }
  if (version.size() != 8 || !absl::StartsWith(version, "HTTP/")) return {400, "Bad Request"};
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return {505, "HTTP Version Not Supported"};

  Fields fields;
  while (end != head.npos) {
    head.remove_prefix(end + 2);
    end = head.find("\r\n");
    fields.add(head.substr(0, end));
  }
  const bool is_new = version == "HTTP/1.1";
  if (fields.wrong || (is_new && fields.hosts != 1)) return {400, "Bad Request"};
  if (fields.has_coding) return {501, "Not Implemented"};
  if (fields.length.value_or(0) > kLongestBody) return {413, "Content Too Large"};

  Answer answer(200, "OK");
  if (method != "GET" && method != "HEAD") {
    answer = Answer(405, "Method Not Allowed");
  } else if (target != "/") {
    answer = Answer(404, "Not Found");
  }
  answer.only_head = method == "HEAD";
  answer.keep_alive = !fields.close && (is_new || fields.keep_alive);
  answer.body_to_skip = fields.length.value_or(0);
  return answer;
}

void append(std::string& out, const Answer& answer) {
  const std::string said = answer.status == 200
                               ? std::string(kPage)
                               : absl::StrCat(answer.status, " ", answer.reason, "\n");
  absl::StrAppend(&out, "HTTP/1.1 ", answer.status, " ", answer.reason,
                  "\r\nContent-Type: text/plain\r\nContent-Length: ", said.size(), "\r\n");
  if (answer.status == 405) absl::StrAppend(&out, "Allow: GET, HEAD\r\n");
  absl::StrAppend(&out, "Connection: ", answer.keep_alive ? "keep-alive" : "close", "\r\n\r\n");
  if (!answer.only_head) out += said;
}

// One connection: bytes in, answers out.
class Requests {
 public:
  // Takes more bytes, and appends the answers to all requests that are complete by now.
  void take(absl::string_view bytes, std::string& answers) {
    pending_.append(bytes.data(), bytes.size());
    absl::string_view rest = pending_;
    while (!ended_ && next(rest, answers)) {
    }
    pending_.erase(0, pending_.size() - rest.size());
  }
  bool ended() const { return ended_; }  // After the answers the connection is closed.

 private:
  // False: the next request is not complete.
  bool next(absl::string_view& rest, std::string& answers) {
    const std::size_t skipped = rest.size() < skip_ ? rest.size() : static_cast<std::size_t>(skip_);
    rest.remove_prefix(skipped);
    skip_ -= skipped;
    if (skip_ > 0) return false;
    while (absl::StartsWith(rest, "\r\n")) rest.remove_prefix(2);  // As the standard asks.
    const std::size_t end = rest.find("\r\n\r\n");
    if (end == rest.npos ? rest.size() > kLongestHead : end > kLongestHead) {
      return refuse({431, "Request Header Fields Too Large"}, answers);
    }
    if (end == rest.npos) return false;
    const Answer answer = answer_to(rest.substr(0, end));
    rest.remove_prefix(end + 4);
    skip_ = answer.body_to_skip;
    append(answers, answer);
    ended_ = !answer.keep_alive;
    return true;
  }

  bool refuse(const Answer& answer, std::string& answers) {
    append(answers, answer);
    ended_ = true;
    return true;
  }

  std::string pending_;     // Of a request that is not complete.
  std::uint64_t skip_ = 0;  // Bytes of a body that are still to come.
  bool ended_ = false;
};

// --- The server ----------------------------------------------------------------------------------

class HelloServer final : public demo::TcpServer {
  rt::Async<> serve_one(rt::TcpStream stream, Guest guest) override {
    stream.set_nodelay(true).IgnoreError();
    std::array<char, 2048> buffer;
    Requests requests;
    std::string answers;
    while (!requests.ended()) {
      const absl::StatusOr<std::size_t> got =
          co_await rt::timeout(kPatience, stream.read(absl::MakeSpan(buffer)));
      if (!got.ok() || *got == 0) co_return;
      answers.clear();
      requests.take(absl::string_view(buffer.data(), *got), answers);
      if (answers.empty()) continue;
      if (!(co_await rt::timeout(kPatience, stream.write_all(answers))).ok()) co_return;
    }
    // Closing with bytes unread would reset the connection, and the client might miss the answer.
    if (!stream.shutdown_write().ok()) co_return;
    for (int i = 0; i < 64; ++i) {
      const absl::StatusOr<std::size_t> got =
          co_await rt::timeout(absl::Seconds(1), stream.read(absl::MakeSpan(buffer)));
      if (!got.ok() || *got == 0) co_return;
    }
  }
};

// --- The self-test -------------------------------------------------------------------------------

// Sends `request` and, with its side ended, returns all that comes.
std::string ask(uint16_t port, absl::string_view request) {
  const demo::Client client(port);
  client.say(request);
  client.end();
  return client.hear_all();
}

bool expect(uint16_t port, absl::string_view what, absl::string_view request,
            absl::string_view first_line) {
  const std::string answer = ask(port, request);
  const absl::string_view got = absl::string_view(answer).substr(0, answer.find("\r\n"));
  std::printf("%-28s %s\n", std::string(what).c_str(), std::string(got).c_str());
  return got == first_line;
}

bool expect_pipelined(uint16_t port) {
  const demo::Client client(port);
  std::string requests, answers;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&requests, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  // In pieces that end in the middle of a request.
  for (std::size_t i = 0; i < requests.size(); i += 1'000) client.say(requests.substr(i, 1'000));
  client.end();
  answers = client.hear_all();
  int pages = 0;
  for (std::size_t at = answers.find(kPage.data()); at != answers.npos;
       at = answers.find(kPage.data(), at + 1)) {
    ++pages;
  }
  std::printf("%-28s %d pages\n", "100 requests at once", pages);
  return pages == 100;
}

bool try_out(uint16_t port) {
  const std::string long_head =
      absl::StrCat("GET / HTTP/1.1\r\nHost: h\r\nX: ", std::string(9'000, 'x'), "\r\n\r\n");
  bool good = expect(port, "a page", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK");
  good &= expect(port, "its head", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK");
  good &= expect(port, "from long ago", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK");
  good &=
      expect(port, "another page", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 Not Found");
  good &= expect(port, "a form", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b",
                 "HTTP/1.1 405 Method Not Allowed");
  good &= expect(port, "no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request");
  good &= expect(port, "no HTTP at all", "hello?\r\n\r\n", "HTTP/1.1 400 Bad Request");
  good &= expect(port, "a field without a name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
                 "HTTP/1.1 400 Bad Request");
  good &= expect(port, "two lengths",
                 "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                 "HTTP/1.1 400 Bad Request");
  good &= expect(port, "a version to come", "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
                 "HTTP/1.1 505 HTTP Version Not Supported");
  good &= expect(port, "in chunks",
                 "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 "HTTP/1.1 501 Not Implemented");
  good &= expect(port, "a head without an end", long_head,
                 "HTTP/1.1 431 Request Header Fields Too Large");
  return expect_pipelined(port) && good;
}

}  // namespace

int main(int argc, char** argv) {
  HelloServer server;
  return demo::run_server(argc, argv, "http_hello: one page, one thread in epoll", server, try_out);
}
