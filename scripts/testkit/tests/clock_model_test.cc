// Every interleaving of those who stop the clock and let it go on, and of who reads it. The
// checker's clock stands still, but for a wait that times out: then it is the deadline.
#include "rt/platform/clock.h"

#include "absl/time/time.h"
#include "rt/platform/sync.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::sync::Thread;
using testkit::model::check;

// Time passes, at whatever moment: more than the tick to which pause() rounds up.
void let_time_pass() {
  rt::sync::Mutex mutex;
  rt::sync::CondVar nobody;
  rt::sync::Lock lock(mutex);
  nobody.wait_until(lock, rt::sync::SteadyClock::now() + std::chrono::milliseconds(5));
}

void read_twice() {
  const rt::Instant first = rt::clock::now();
  const rt::Instant second = rt::clock::now();
  MODEL_REQUIRE(second >= first);
}

// Bug it is here for: who reads the clock after a pause() has read it, and before it stands, is
// told a later time than all who come after.
TEST(ClockModel, ItNeverGoesBackBesideAPause) {
  check([] {
    Thread time(&let_time_pass), reads(&read_twice);
    rt::clock::pause();
    time.join();
    reads.join();
  });
}

TEST(ClockModel, ItNeverGoesBackBesideAResume) {
  check([] {
    rt::clock::pause();
    rt::clock::advance(absl::Milliseconds(3));
    Thread time(&let_time_pass), reads(&read_twice);
    rt::clock::resume();
    time.join();
    reads.join();
  });
}

TEST(ClockModel, AnAdvanceByARuntimeMayComeWithAResume) {
  check([] {
    rt::clock::pause();
    rt::clock::set_auto_advance(true);
    Thread advances([] { rt::clock::auto_advance(absl::Milliseconds(3)); }), reads(&read_twice);
    rt::clock::resume();
    advances.join();
    reads.join();
    MODEL_REQUIRE(!rt::clock::is_paused());
    MODEL_REQUIRE(!rt::clock::auto_advances());
  });
}

}  // namespace
