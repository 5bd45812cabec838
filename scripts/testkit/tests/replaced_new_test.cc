// Programs that count what they allocate: under AddressSanitizer a form of new that was left out is
// the sanitizer's, and does not go with our delete.
#include <cstddef>
#include <memory>
#include <new>

#include "testkit/internal/counting_new.h"
#include "testkit/testkit.h"

namespace {

using testkit::internal::allocations;

struct alignas(64) Wide {
  char bytes[64];
};

template <class F>
std::size_t counted(F make) {
  const std::size_t before = allocations;
  make();
  return allocations - before;
}

TEST(ReplacedNew, TakesEveryForm) {
  EXPECT_EQ(counted([] { ::operator delete(::operator new(8)); }), 1u);
  EXPECT_EQ(counted([] { ::operator delete[](::operator new[](8)); }), 1u);
  EXPECT_EQ(counted([] { ::operator delete(::operator new(8, std::nothrow)); }), 1u);
  EXPECT_EQ(counted([] { ::operator delete[](::operator new[](8, std::nothrow)); }), 1u);
  EXPECT_EQ(counted([] { std::make_unique<Wide>(); }), 1u);
  EXPECT_EQ(counted([] { std::make_unique<Wide[]>(2); }), 1u);
  EXPECT_EQ(counted([] { std::unique_ptr<Wide>(new (std::nothrow) Wide); }), 1u);
  EXPECT_EQ(counted([] { std::unique_ptr<Wide[]>(new (std::nothrow) Wide[2]); }), 1u);
}

}  // namespace
