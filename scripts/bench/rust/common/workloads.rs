//! The workloads of common/program.h, for a peer that offers them as the module `rt`:
//!
//!   run(workers, future) -> output    spawns the future onto a worker and waits for it
//!   spawn, join, detach, Handle       tasks
//!   yield_now()                       gives way once
//!   bounded, Sender, Receiver,        a bounded channel
//!   send, recv, try_send
//!   oneshot, Told, Telling, tell      a channel for one word
//!   sleep(duration)                   a future

use crate::program::*;
use crate::rt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub fn spawn(size: Size) {
    let value = rt::run(size.workers, async move {
        let mut handles = Vec::with_capacity(size.n as usize);
        let start = Instant::now();
        for _ in 0..size.n {
            handles.push(rt::spawn(async {}));
        }
        for handle in handles {
            rt::join(handle).await;
        }
        each(start, size.n)
    });
    print(&[("spawn", value)]);
}

pub fn yield_one(size: Size) {
    let value = rt::run(size.workers, async move {
        let start = Instant::now();
        for _ in 0..size.n {
            rt::yield_now().await;
        }
        each(start, size.n)
    });
    print(&[("yield-one", value)]);
}

pub fn yield_many(size: Size) {
    let times = size.n / YIELDERS;
    let value = rt::run(size.workers, async move {
        let mut handles = Vec::with_capacity(YIELDERS as usize);
        let start = Instant::now();
        for _ in 0..YIELDERS {
            handles.push(rt::spawn(async move {
                for _ in 0..times {
                    rt::yield_now().await;
                }
            }));
        }
        for handle in handles {
            rt::join(handle).await;
        }
        each(start, YIELDERS * times)
    });
    print(&[("yield-many", value)]);
}

pub fn ping_pong(size: Size) {
    let n = size.n;
    let value = rt::run(size.workers, async move {
        let (mut there_tx, mut there_rx) = rt::bounded::<u64>(1);
        let (mut back_tx, mut back_rx) = rt::bounded::<u64>(1);
        let start = Instant::now();
        let a = rt::spawn(async move {
            for i in 0..n {
                rt::send(&mut there_tx, i).await;
                rt::recv(&mut back_rx).await;
            }
        });
        let b = rt::spawn(async move {
            for _ in 0..n {
                let number = rt::recv(&mut there_rx).await.unwrap_or(0);
                rt::send(&mut back_tx, number).await;
            }
        });
        rt::join(a).await;
        rt::join(b).await;
        each(start, n)
    });
    print(&[("ping-pong", value)]);
}

fn link(left: u64, done: rt::Telling) {
    if left == 0 {
        rt::tell(done);
    } else {
        rt::detach(rt::spawn(async move { link(left - 1, done) }));
    }
}

pub fn chain(size: Size) {
    let value = rt::run(size.workers, async move {
        let (telling, told) = rt::oneshot();
        let start = Instant::now();
        link(size.n, telling);
        rt::told(told).await;
        each(start, size.n)
    });
    print(&[("chain", value)]);
}

pub fn channel(size: Size) {
    let n = size.n;
    let value = rt::run(size.workers, async move {
        let (mut tx, mut rx) = rt::bounded::<u64>(CHANNEL_CAPACITY);
        let start = Instant::now();
        let producer = rt::spawn(async move {
            for i in 0..n {
                rt::send(&mut tx, i).await;
            }
        });
        let consumer = rt::spawn(async move {
            let mut sum = 0;
            while let Some(number) = rt::recv(&mut rx).await {
                sum += number;
            }
            sum
        });
        rt::join(producer).await;
        let sum = rt::join(consumer).await;
        let ns = ns_since(start);
        assert_eq!(sum, n * (n - 1) / 2);
        n as f64 * 1e3 / ns
    });
    print(&[("channel", value)]);
}

/// Makes and polls each of the sleeps once, with the waker of the task.
struct PollAll<'a, S, M> {
    sleeps: &'a mut Vec<S>,
    make: M,
    n: u64,
}

impl<'a, S: Future, M: Fn(Duration) -> S + Unpin> Future for PollAll<'a, S, M> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for i in 0..self.n {
            let sleep = (self.make)(Duration::from_millis(timer_ms(i)));
            self.sleeps.push(sleep);
            let last = self.sleeps.last_mut().unwrap();
            // The vector has room for all, so none moves once it was polled.
            let sleep = unsafe { Pin::new_unchecked(last) };
            assert!(sleep.poll(cx).is_pending());
        }
        Poll::Ready(())
    }
}

pub fn timer(size: Size) {
    let n = size.n;
    let (insert, cancel, bytes) = rt::run(size.workers, async move {
        let before = heap_in_use();
        let mut sleeps = Vec::with_capacity(n as usize);
        let start = Instant::now();
        PollAll { sleeps: &mut sleeps, make: rt::sleep, n }.await;
        let insert = each(start, n);
        let bytes = (heap_in_use() - before) / n as f64;
        let middle = Instant::now();
        sleeps.clear();
        (insert, each(middle, n), bytes)
    });
    print(&[("timer-insert", insert), ("timer-cancel", cancel), ("timer-bytes", bytes)]);
}

/// Pending for ever, and counts the task that waits for it.
struct Never(Arc<AtomicU64>);

impl Future for Never {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Pending
    }
}

fn waiting<F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    size: Size,
    make: impl Fn(Arc<AtomicU64>) -> F + Send + 'static,
) {
    let count = Arc::new(AtomicU64::new(0));
    rt::run(size.workers, async move {
        let mut handles = Vec::with_capacity(size.n as usize);
        let before = heap_in_use();
        for _ in 0..size.n {
            handles.push(rt::spawn(make(count.clone())));
        }
        while count.load(Ordering::SeqCst) < size.n {
            rt::yield_now().await;
        }
        // The last may have counted itself, and not have come to its wait.
        rt::sleep(Duration::from_millis(20)).await;
        let bytes = (heap_in_use() - before) / size.n as f64;
        assert_eq!(handles.len() as u64, size.n);
        print_and_leave(name, bytes);
    });
}

pub fn idle(size: Size) {
    waiting("idle", size, Never);
}

pub fn idle_async(size: Size) {
    waiting("idle-async", size, |count| async move { Never(count).await });
}

pub fn sleeping(size: Size) {
    waiting("sleeping", size, |count| async move {
        count.fetch_add(1, Ordering::SeqCst);
        rt::sleep(Duration::from_secs(3600)).await;
    });
}

fn node(first: u64, leaves: u64) -> rt::Handle<u64> {
    rt::spawn(async move {
        if leaves == 1 {
            return first;
        }
        let step = leaves / 10;
        let mut children = Vec::with_capacity(10);
        for i in 0..10 {
            children.push(node(first + i * step, step));
        }
        let mut sum = 0;
        for child in children {
            sum += rt::join(child).await;
        }
        sum
    })
}

pub fn skynet(size: Size) {
    let n = size.n;
    let value = rt::run(size.workers, async move {
        let start = Instant::now();
        let sum = rt::join(node(0, n)).await;
        let ns = ns_since(start);
        assert_eq!(sum, n * (n - 1) / 2);
        ns / 1e6
    });
    print(&[("skynet", value)]);
}

pub fn greedy(size: Size) {
    let value = rt::run(size.workers, async move {
        let over = Arc::new(AtomicBool::new(false));
        let (mut tx, mut rx) = rt::bounded::<Instant>(CHANNEL_CAPACITY);
        let hogs_end = over.clone();
        let hog = rt::spawn(async move { while !hogs_end.load(Ordering::Relaxed) {} });
        let watching = rt::spawn(async move {
            let mut waits = Vec::new();
            while let Some(sent) = rt::recv(&mut rx).await {
                waits.push(ns_since(sent));
            }
            p99(waits) / 1e3
        });
        let outside = std::thread::spawn(move || {
            for _ in 0..size.n {
                std::thread::sleep(Duration::from_micros(GREEDY_PAUSE_US));
                rt::try_send(&mut tx, Instant::now());
            }
            over.store(true, Ordering::SeqCst);
        });
        let worst = rt::join(watching).await;
        rt::join(hog).await;
        outside.join().unwrap();
        worst
    });
    print(&[("greedy", value)]);
}
