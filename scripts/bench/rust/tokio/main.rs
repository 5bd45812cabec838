//! Tokio, on its multi-thread runtime, with sockets and timers.

#[path = "../common/program.rs"]
mod program;
#[path = "../common/workloads.rs"]
mod workloads;

use program::*;
use std::future::Future;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use workloads::*;

mod rt {
    use std::future::Future;
    pub use tokio::sync::mpsc::{Receiver, Sender};
    use tokio::sync::oneshot;
    pub use tokio::task::{yield_now, JoinHandle as Handle};
    pub use tokio::time::sleep;

    pub type Telling = oneshot::Sender<()>;
    pub type Told = oneshot::Receiver<()>;

    pub fn start(workers: usize) -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(workers).enable_all().build().unwrap()
    }
    pub fn run<F>(workers: usize, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        start(workers).block_on(async { tokio::spawn(main).await.unwrap() })
    }
    pub fn spawn<F>(future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future)
    }
    pub async fn join<T>(handle: Handle<T>) -> T {
        handle.await.unwrap()
    }
    pub fn detach<T>(_: Handle<T>) {}
    pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        tokio::sync::mpsc::channel(capacity)
    }
    pub async fn send<T>(tx: &mut Sender<T>, value: T) {
        let _ = tx.send(value).await;
    }
    pub async fn recv<T>(rx: &mut Receiver<T>) -> Option<T> {
        rx.recv().await
    }
    pub fn try_send<T>(tx: &mut Sender<T>, value: T) {
        let _ = tx.try_send(value);
    }
    pub fn oneshot() -> (Telling, Told) {
        oneshot::channel()
    }
    pub fn tell(telling: Telling) {
        let _ = telling.send(());
    }
    pub async fn told(told: Told) {
        let _ = told.await;
    }
}

fn start_stop(size: Size) {
    let start = Instant::now();
    for _ in 0..size.n {
        rt::run(size.workers, async {});
    }
    print(&[("start-stop", ns_since(start) / 1e3 / size.n as f64)]);
}

fn blocking(size: Size) {
    let value = rt::run(size.workers, async move {
        tokio::task::spawn_blocking(|| {}).await.unwrap(); // Its thread is there.
        let start = Instant::now();
        for _ in 0..size.n {
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        }
        each(start, size.n)
    });
    print(&[("blocking", value)]);
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

/// One read into the stack, and one write of the same. The number written, and what is left.
fn pass(stream: &TcpStream) -> std::io::Result<(usize, Vec<u8>)> {
    let mut buffer = [0u8; ECHO_BUFFER];
    let got = stream.try_read(&mut buffer)?;
    let put = stream.try_write(&buffer[..got]).unwrap_or(0);
    Ok((got, buffer[put..got].to_vec()))
}

async fn echo_idle_one(mut stream: TcpStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match pass(&stream) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Ok((0, _)) | Err(_) => return,
            Ok((_, rest)) if rest.is_empty() => continue,
            Ok((_, rest)) => {
                if stream.write_all(&rest).await.is_err() {
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
            rt::spawn(serve_one(stream));
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
        ("blocking", blocking),
        ("echo", echo),
        ("echo-idle", echo_idle),
    ]);
}
