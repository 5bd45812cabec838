#include "testkit/internal/events.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace testkit::internal {
namespace {

constexpr int kLowestDescriptor = 100;

int g_fd = -1;       // Set before any thread starts.
pid_t g_owner = -1;  // The process that main runs in.

void send(const std::string& line) {
  if (g_fd < 0 || ::getpid() != g_owner) return;
  std::size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t n = ::write(g_fd, line.data() + sent, line.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // Nobody reads any more, so there is nobody to tell.
    sent += static_cast<std::size_t>(n);
  }
}

// The length of the UTF-8 sequence that `text` begins with, or 0 if it begins with none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
  const bool too_large = lead == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

}  // namespace

void open_result_channel() {
  const char* const value = std::getenv("RT_RESULT_FD");
  if (value == nullptr) return;
  char* end = nullptr;
  const long fd = std::strtol(value, &end, 10);
  if (end == value || *end != '\0' || fd < 0 || ::fcntl(static_cast<int>(fd), F_GETFD) < 0) {
    std::fprintf(stderr, "RT_RESULT_FD=%s is not an open descriptor; no results are sent\n", value);
    return;
  }
  g_fd = ::fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, kLowestDescriptor);
  if (g_fd < 0) {
    std::fprintf(stderr, "RT_RESULT_FD=%s cannot be duplicated; no results are sent\n", value);
    return;
  }
  ::close(static_cast<int>(fd));
  ::unsetenv("RT_RESULT_FD");
  g_owner = ::getpid();
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) {
      out += "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out + '"';
}

void send_start(const std::string& test) {
  send("{\"event\":\"start\",\"test\":" + json_string(test) + "}\n");
}

void send_failure(const std::string& test, const std::string& file, int line,
                  const std::string& message) {
  send("{\"event\":\"failure\",\"test\":" + json_string(test) + ",\"file\":" + json_string(file) +
       ",\"line\":" + std::to_string(line) + ",\"message\":" + json_string(message) + "}\n");
}

void send_hang(const std::string& test, const std::string& report) {
  send("{\"event\":\"hang\",\"test\":" + json_string(test) + ",\"report\":" + json_string(report) +
       "}\n");
}

void send_end(const std::string& test, bool ok) {
  send("{\"event\":\"end\",\"test\":" + json_string(test) + ",\"ok\":" + (ok ? "true" : "false") +
       "}\n");
}

}  // namespace testkit::internal
