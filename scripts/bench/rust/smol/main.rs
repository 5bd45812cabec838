//! smol, on its global executor, whose threads SMOL_THREADS counts.

#[path = "../common/program.rs"]
mod program;
#[path = "../common/workloads.rs"]
mod workloads;

use program::*;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::Async;
use std::future::Future;
use std::io::{Read, Write};
use std::time::Instant;
use workloads::*;

mod rt {
    pub use smol::channel::{bounded, Receiver, Sender};
    pub use smol::future::yield_now;
    pub use smol::Task as Handle;
    use std::future::Future;
    use std::time::Duration;

    pub type Telling = Sender<()>;
    pub type Told = Receiver<()>;

    pub fn run<F>(workers: usize, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        std::env::set_var("SMOL_THREADS", workers.to_string());
        let (tx, rx) = std::sync::mpsc::channel();
        smol::spawn(async move {
            let value = main.await;
            tx.send(value).unwrap();
        }).detach();
        rx.recv().unwrap()
    }
    pub fn spawn<F>(future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        smol::spawn(future)
    }
    pub async fn join<T>(handle: Handle<T>) -> T {
        handle.await
    }
    pub fn detach<T>(handle: Handle<T>) {
        handle.detach();
    }
    pub async fn send<T>(tx: &mut Sender<T>, value: T) {
        let _ = tx.send(value).await;
    }
    pub async fn recv<T>(rx: &mut Receiver<T>) -> Option<T> {
        rx.recv().await.ok()
    }
    pub fn try_send<T>(tx: &mut Sender<T>, value: T) {
        let _ = tx.try_send(value);
    }
    pub fn oneshot() -> (Telling, Told) {
        bounded(1)
    }
    pub fn tell(telling: Telling) {
        let _ = telling.try_send(());
    }
    pub async fn told(told: Told) {
        let _ = told.recv().await;
    }
    pub async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}

/// An executor of its own each time, with threads that run it: the global one cannot be stopped.
fn start_stop(size: Size) {
    let start = Instant::now();
    for _ in 0..size.n {
        let executor = smol::Executor::new();
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        std::thread::scope(|threads| {
            for _ in 0..size.workers {
                threads.spawn(|| smol::block_on(executor.run(stopped.recv())));
            }
            smol::block_on(executor.spawn(async {}));
            drop(stop);
        });
    }
    print(&[("start-stop", ns_since(start) / 1e3 / size.n as f64)]);
}

async fn echo_one(mut stream: TcpStream) {
    let mut buffer = [0u8; ECHO_BUFFER];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(got) => {
                if stream.write_all(&buffer[..got]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// One read into the stack, and one write of the same. The number read, and what is left.
fn pass(stream: &Async<std::net::TcpStream>) -> std::io::Result<(usize, Vec<u8>)> {
    let mut buffer = [0u8; ECHO_BUFFER];
    let got = stream.get_ref().read(&mut buffer)?;
    let put = stream.get_ref().write(&buffer[..got]).unwrap_or(0);
    Ok((got, buffer[put..got].to_vec()))
}

async fn echo_idle_one(stream: TcpStream) {
    let open: std::sync::Arc<Async<std::net::TcpStream>> = stream.into();
    let mut writing: &Async<std::net::TcpStream> = &open;
    loop {
        if open.readable().await.is_err() {
            return;
        }
        match pass(&open) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Ok((0, _)) | Err(_) => return,
            Ok((_, rest)) if rest.is_empty() => continue,
            Ok((_, rest)) => {
                if writing.write_all(&rest).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn serve<F: Future<Output = ()> + Send + 'static>(size: Size, serve_one: fn(TcpStream) -> F) {
    rt::run(size.workers, async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        end_with_stdin(listener.local_addr().unwrap().port());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = stream.set_nodelay(true);
            rt::detach(rt::spawn(serve_one(stream)));
        }
    })
}

fn echo(size: Size) {
    serve(size, echo_one);
}

fn echo_idle(size: Size) {
    serve(size, echo_idle_one);
}

fn main() {
    run(&[
        ("spawn", spawn),
        ("yield-one", yield_one),
        ("yield-many", yield_many),
        ("ping-pong", ping_pong),
        ("chain", chain),
        ("channel", channel),
        ("timer", timer),
        ("idle", idle),
        ("idle-async", idle_async),
        ("sleeping", sleeping),
        ("skynet", skynet),
        ("start-stop", start_stop),
        ("greedy", greedy),
        ("echo", echo),
        ("echo-idle", echo_idle),
    ]);
}
