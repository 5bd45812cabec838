// Values in words: an enumerator by its name, where GoogleTest prints "4-byte object <02-00
// 00-00>". A test file that compares an enum of the course's includes this header.
//
// The name comes from the compiler: it is what it calls a template's argument. Only values from 0
// to 31 have one, of enums that are scoped or have an underlying type; others are printed as
// numbers.
//
// Thread safety: no state.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace testkit {
namespace internal {

template <auto V>
constexpr std::string_view name_in_signature() {
  // "… [with auto V = rt::Wake::kNothing; …]" by g++, "… [V = rt::Wake::kNothing]" by clang. What
  // has no name is "(rt::Wake)31".
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("V = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  const std::size_t colon = text.rfind("::");
  const std::size_t close = text.rfind(')');
  if (close != std::string_view::npos && (colon == std::string_view::npos || close > colon)) {
    return "";
  }
  return colon == std::string_view::npos ? text : text.substr(colon + 2);
}

template <class E, std::size_t... I>
std::string_view name_of(E value, std::index_sequence<I...>) {
  std::string_view name;
  ((value == static_cast<E>(I) ? void(name = name_in_signature<static_cast<E>(I)>()) : void()),
   ...);
  return name;
}

}  // namespace internal

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires {
  E{0};
};

template <NamedEnum E>
std::string name_of(E value) {
  const auto name = internal::name_of(value, std::make_index_sequence<32>());
  if (!name.empty()) return std::string(name);
  return std::to_string(static_cast<long long>(value));
}

}  // namespace testkit

namespace rt {

// Found by GoogleTest for every enum of this namespace, and of the classes in it.
template <testkit::NamedEnum E>
void PrintTo(const E& value, std::ostream* os) {
  *os << testkit::name_of(value);
}

}  // namespace rt
