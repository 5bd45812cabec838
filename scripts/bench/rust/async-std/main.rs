//! async-std, on its global executor, whose threads ASYNC_STD_THREAD_COUNT counts. It cannot be
//! stopped, and does not say when a socket is readable: so two workloads are left out.

#[path = "../common/program.rs"]
mod program;
#[path = "../common/workloads.rs"]
mod workloads;

use async_std::io::{ReadExt, WriteExt};
use async_std::net::{TcpListener, TcpStream};
use program::*;
use workloads::*;

mod rt {
    pub use async_std::channel::{bounded, Receiver, Sender};
    pub use async_std::task::{sleep, yield_now, JoinHandle as Handle};
    use std::future::Future;

    pub type Telling = Sender<()>;
    pub type Told = Receiver<()>;

    pub fn run<F>(workers: usize, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        std::env::set_var("ASYNC_STD_THREAD_COUNT", workers.to_string());
        let (tx, rx) = std::sync::mpsc::channel();
        async_std::task::spawn(async move {
            let value = main.await;
            tx.send(value).unwrap();
        });
        rx.recv().unwrap()
    }
    pub fn spawn<F>(future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        async_std::task::spawn(future)
    }
    pub async fn join<T>(handle: Handle<T>) -> T {
        handle.await
    }
    pub fn detach<T>(_: Handle<T>) {}
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

fn echo(size: Size) {
    rt::run(size.workers, async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        end_with_stdin(listener.local_addr().unwrap().port());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = stream.set_nodelay(true);
            rt::detach(rt::spawn(echo_one(stream)));
        }
    })
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
        ("greedy", greedy),
        ("echo", echo),
    ]);
}
