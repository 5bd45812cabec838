// Addresses as people write them and as the kernel has them.
#include "rt/net/socket_address.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace {

using rt::SocketAddress;

TEST(SocketAddress, SaysWhatItHasRead) {
  for (const char* text :
       {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0",
        "[2001:db8::ff]:443", "[fe80::1%2]:80", "[::ffff:1.2.3.4]:1"}) {
    const absl::StatusOr<SocketAddress> address = SocketAddress::parse(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->to_string(), text);
    EXPECT_TRUE(*SocketAddress::parse(address->to_string()) == *address);
  }
  EXPECT_EQ(SocketAddress::parse("[0:0:0:0:0:0:0:1]:0080")->to_string(), "[::1]:80");
}

TEST(SocketAddress, TakesNothingElse) {
  for (const std::string& text : {std::string(),
                                  std::string(":80"),
                                  std::string("127.0.0.1"),
                                  std::string("127.0.0.1:"),
                                  std::string("127.0.0.1:65536"),
                                  std::string("127.0.0.1:-1"),
                                  std::string("127.0.0.1:+1"),
                                  std::string("127.0.0.1: 80"),
                                  std::string("127.0.0.1:80 "),
                                  std::string("127.0.0.256:80"),
                                  std::string("127.1:80"),
                                  std::string("localhost:80"),
                                  std::string("::1:80"),
                                  std::string("[::1]"),
                                  std::string("[::1:80"),
                                  std::string("[]:80"),
                                  std::string("[:80"),
                                  std::string("]:80"),
                                  std::string("[::1%]:80"),
                                  std::string("[::1%lo]:80"),
                                  std::string("[::1%99999999999]:80"),
                                  std::string("[127.0.0.1]:80"),
                                  std::string("127.0.0.1\0:80", 13),
                                  std::string("[::1\0]:80", 9),
                                  std::string(100'000, ':')}) {
    const absl::StatusOr<SocketAddress> address = SocketAddress::parse(text);
    EXPECT_FALSE(address.ok()) << text;
  }
  const std::string said(SocketAddress::parse("localhost:80").status().message());
  EXPECT_EQ(said,
            "not an address: \"localhost:80\"; an address is written 127.0.0.1:80 or [::1]:80");
}

TEST(SocketAddress, IsWhatTheKernelWants) {
  const SocketAddress v4 = SocketAddress::loopback(80);
  EXPECT_EQ(v4.to_string(), "127.0.0.1:80");
  EXPECT_EQ(v4.family(), AF_INET);
  EXPECT_EQ(v4.size(), sizeof(sockaddr_in));
  const SocketAddress v6 = SocketAddress::loopback_v6(80);
  EXPECT_EQ(v6.to_string(), "[::1]:80");
  EXPECT_EQ(v6.family(), AF_INET6);
  EXPECT_EQ(v6.size(), sizeof(sockaddr_in6));
  EXPECT_FALSE(v4 == v6);
  EXPECT_FALSE(v4 == SocketAddress::loopback(81));
  EXPECT_FALSE(*SocketAddress::parse("[fe80::1%1]:80") == *SocketAddress::parse("[fe80::1%2]:80"));
  for (const SocketAddress& address : {v4, v6}) {
    sockaddr_storage storage{};
    std::memcpy(&storage, address.data(), address.size());
    EXPECT_TRUE(SocketAddress::from(storage) == address);
  }
  sockaddr_storage unix_name{};
  unix_name.ss_family = AF_UNIX;
  EXPECT_EQ(SocketAddress::from(unix_name).to_string(), "0.0.0.0:0");
}

}  // namespace
