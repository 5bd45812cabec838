// SocketAddress: an IPv4 or IPv6 address and a port, in the form that the kernel wants and in the
// form that people write.
//
//   absl::StatusOr<SocketAddress> address = SocketAddress::parse("127.0.0.1:8080");
//   address = SocketAddress::parse("[::1]:8080");
//
// Names are not looked up: getaddrinfo() blocks, and belongs on a thread that may.
//
// Thread safety: a plain value.
//
// Invariants
//   1. parse(a.to_string()) gives an address that equals `a`.
//   2. It is an address of family AF_INET or AF_INET6, always. The default is 0.0.0.0:0.
//
// The idea is Rust's std::net::SocketAddr.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rt {

class SocketAddress {
 public:
  SocketAddress() noexcept {
    std::memset(&raw_, 0, sizeof raw_);
    raw_.v4.sin_family = AF_INET;
  }

  // Numbers only: "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80" with the number of an interface.
  static absl::StatusOr<SocketAddress> parse(absl::string_view text) {
    const absl::StatusOr<SocketAddress> wrong = absl::InvalidArgumentError(absl::StrCat(
        "not an address: \"", text, "\"; an address is written 127.0.0.1:80 or [::1]:80"));
    const std::size_t colon = text.rfind(':');
    std::uint32_t port = 0;
    if (colon == text.npos || !to_number(text.substr(colon + 1), port) || port > 0xffff) {
      return wrong;
    }
    absl::string_view host = text.substr(0, colon);
    // inet_pton() ends at a null character, and `text` may have one.
    if (host.find('\0') != host.npos) return wrong;
    SocketAddress address;
    if (host.empty() || host.front() != '[') {
      address.raw_.v4.sin_port = htons(static_cast<std::uint16_t>(port));
      if (::inet_pton(AF_INET, std::string(host).c_str(), &address.raw_.v4.sin_addr) != 1) {
        return wrong;
      }
      return address;
    }
    if (host.back() != ']') return wrong;
    host = host.substr(1, host.size() - 2);
    address.raw_.v6.sin6_family = AF_INET6;
    address.raw_.v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    if (const std::size_t percent = host.find('%'); percent != host.npos) {
      if (!to_number(host.substr(percent + 1), address.raw_.v6.sin6_scope_id)) return wrong;
      host = host.substr(0, percent);
    }
    if (::inet_pton(AF_INET6, std::string(host).c_str(), &address.raw_.v6.sin6_addr) != 1) {
      return wrong;
    }
    return address;
  }

  // 127.0.0.1. Port 0 lets the kernel choose, where one binds.
  static SocketAddress loopback(std::uint16_t port) noexcept {
    SocketAddress address;
    address.raw_.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.raw_.v4.sin_port = htons(port);
    return address;
  }

  // ::1.
  static SocketAddress loopback_v6(std::uint16_t port) noexcept {
    SocketAddress address;
    address.raw_.v6.sin6_family = AF_INET6;
    address.raw_.v6.sin6_addr = in6addr_loopback;
    address.raw_.v6.sin6_port = htons(port);
    return address;
  }

  // What the kernel has written, or the default if it is of another family.
  static SocketAddress from(const sockaddr_storage& storage) noexcept {
    SocketAddress address;
    if (storage.ss_family == AF_INET) std::memcpy(&address.raw_.v4, &storage, sizeof(sockaddr_in));
    if (storage.ss_family == AF_INET6) {
      std::memcpy(&address.raw_.v6, &storage, sizeof(sockaddr_in6));
    }
    return address;
  }

  int family() const noexcept { return raw_.any.sa_family; }
  std::uint16_t port() const noexcept {
    return ntohs(is_v6() ? raw_.v6.sin6_port : raw_.v4.sin_port);
  }

  // "127.0.0.1:80", "[::1]:80".
  std::string to_string() const {
    char host[INET6_ADDRSTRLEN] = "";
    if (!is_v6()) {
      ::inet_ntop(AF_INET, &raw_.v4.sin_addr, host, sizeof host);
      return absl::StrCat(host, ":", port());
    }
    ::inet_ntop(AF_INET6, &raw_.v6.sin6_addr, host, sizeof host);
    const std::uint32_t scope = raw_.v6.sin6_scope_id;
    if (scope == 0) return absl::StrCat("[", host, "]:", port());
    return absl::StrCat("[", host, "%", scope, "]:", port());
  }

  // For bind(2), connect(2) and sendto(2).
  const sockaddr* data() const noexcept { return &raw_.any; }
  socklen_t size() const noexcept {
    return is_v6() ? socklen_t{sizeof raw_.v6} : socklen_t{sizeof raw_.v4};
  }

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept {
    if (a.family() != b.family() || a.port() != b.port()) return false;
    if (!a.is_v6()) return a.raw_.v4.sin_addr.s_addr == b.raw_.v4.sin_addr.s_addr;
    return std::memcmp(&a.raw_.v6.sin6_addr, &b.raw_.v6.sin6_addr, sizeof(in6_addr)) == 0 &&
           a.raw_.v6.sin6_scope_id == b.raw_.v6.sin6_scope_id;
  }

 private:
  bool is_v6() const noexcept { return family() == AF_INET6; }

  // Digits, and nothing else. (absl::SimpleAtoi also takes blanks and signs.)
  static bool to_number(absl::string_view text, std::uint32_t& number) noexcept {
    if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return false;
    return absl::SimpleAtoi(text, &number);
  }

  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } raw_;
};

}  // namespace rt
