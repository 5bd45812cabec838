// listen_on: how the servers of the demos begin.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "rt/driver/driver_handle.h"
#include "rt/net/socket_address.h"
#include "rt/net/tcp.h"

namespace demo {

// Makes `listener` listen on 127.0.0.1, and returns its port: `port`, or what the kernel chooses
// for 0.
inline absl::StatusOr<uint16_t> listen_on(uint16_t port, const rt::DriverHandle& driver,
                                          std::optional<rt::TcpListener>& listener) {
  const rt::EnterDriver inside(driver);
  absl::StatusOr<rt::TcpListener> bound = rt::TcpListener::bind(rt::SocketAddress::loopback(port));
  if (!bound.ok()) return bound.status();
  listener.emplace(*std::move(bound));
  const absl::StatusOr<rt::SocketAddress> address = listener->local_address();
  if (!address.ok()) return address.status();
  return address->port();
}

}  // namespace demo
