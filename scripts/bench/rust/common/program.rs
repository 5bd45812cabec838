//! What the benchmark programs in Rust have in common: the command line, the one line of JSON, and
//! the heap in use. Which workloads there are, and what each means: common/program.h beside this
//! folder. A peer's main.rs includes this file and workloads.rs, and offers a module `rt`.

use std::io::{Read, Write};
use std::time::Instant;

pub const CHANNEL_CAPACITY: usize = 1024;
pub const YIELDERS: u64 = 1000;
pub const ECHO_BUFFER: usize = 1024;
pub const GREEDY_PAUSE_US: u64 = 200;

#[derive(Clone, Copy)]
pub struct Size {
    pub n: u64,
    pub workers: usize,
}

pub type Workload = (&'static str, fn(Size));

/// glibc's struct mallinfo2.
#[repr(C)]
struct MallInfo {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

extern "C" {
    fn mallinfo2() -> MallInfo;
}

/// What malloc has given out, in bytes.
pub fn heap_in_use() -> f64 {
    let info = unsafe { mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}

/// Of the i-th sleep of the workload "timer".
pub fn timer_ms(i: u64) -> u64 {
    60_000 + i * 7919 % 60_000
}

pub fn ns_since(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64
}

pub fn each(start: Instant, n: u64) -> f64 {
    ns_since(start) / n as f64
}

pub fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values.get(values.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0.0)
}

pub fn print(values: &[(&str, f64)]) {
    let parts: Vec<String> =
        values.iter().map(|(name, value)| format!("\"{}\": {:.6}", name, value)).collect();
    println!("{{{}}}", parts.join(", "));
    std::io::stdout().flush().unwrap();
}

/// The same, and ends the program as it stands: what it has built up is not taken down.
pub fn print_and_leave(name: &str, value: f64) {
    print(&[(name, value)]);
    std::process::exit(0);
}

/// For the servers: they end when whoever started them closes their stdin, or is gone.
pub fn end_with_stdin(port: u16) {
    println!("{{\"port\": {}}}", port);
    std::io::stdout().flush().unwrap();
    std::thread::spawn(|| {
        let mut byte = [0u8];
        while std::io::stdin().read(&mut byte).unwrap_or(0) > 0 {}
        std::process::exit(0);
    });
}

pub fn run(workloads: &[Workload]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--list"] => {
            for workload in workloads {
                println!("{}", workload.0);
            }
        }
        [name, n, workers] => {
            let size = Size { n: n.parse().unwrap_or(0), workers: workers.parse().unwrap_or(0) };
            match workloads.iter().find(|workload| workload.0 == name && size.workers > 0) {
                Some(workload) => (workload.1)(size),
                None => usage(),
            }
        }
        _ => usage(),
    }
}

fn usage() {
    eprintln!("usage: --list | WORKLOAD N WORKERS");
    std::process::exit(2);
}
