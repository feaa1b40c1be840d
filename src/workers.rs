//! Work that would hold up the reactor, on threads of its own: a few at a time, with a bounded queue.
//!
//! Each kind of work has a [`Workers`] of its own, so that one kind never
//! takes the room of another. What does not fit is refused at once. Work on
//! private keys has a thread for itself, see [`apart`].

use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroize as _;

/// More is asked for than there is room to queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more work is asked for than there is room to queue")]
pub struct Overloaded;

/// Runs work on blocking threads. Clones share the room.
#[derive(Clone, Debug)]
pub struct Workers {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Workers {
    /// `at_once` pieces run, `waiting` more wait, the rest is refused.
    pub fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once.saturating_add(waiting))),
        }
    }

    /// As many at once as the machine has cores, and `waiting` for each core.
    pub fn on_every_core(waiting: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::new(cores, cores.saturating_mul(waiting))
    }

    /// Runs `work`. A caller that goes away while waiting frees its place at
    /// once; one that goes away while `work` runs frees it when that ends.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let place = self.admitted.clone().try_acquire_owned().map_err(|_| Overloaded)?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| Overloaded)?;
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            wipe_stack();
            drop(held);
            result
        });
        task.await.map_err(|_| Overloaded)
    }
}

/// Runs `work` on a thread that ends with it. Libraries copy private keys about on
/// their stack and leave them there; the system takes the pages of an ended thread
/// back, all but a few, and those are wiped. `None` when there is no thread to be had, or `work` panicked.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = oneshot::channel();
    let thread = thread::Builder::new().name("private keys".to_owned());
    let started = thread.spawn(move || {
        let result = Box::new(work());
        wipe_stack();
        done.send(result).map_err(drop)
    });
    started.ok()?;
    result.await.ok().map(|result| *result)
}

/// Overwrites what work left on the stack below its caller. ring's RSA needs less than this.
#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "it is the stack that is meant; these threads have 2 MiB of it"
)]
fn wipe_stack() {
    const DEPTH: usize = 128 * 1024;
    let mut below = [0_u8; DEPTH];
    below.zeroize();
    std::hint::black_box(&below);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn refuses_what_does_not_fit_the_queue() {
        let workers = Workers::new(1, 2);
        let (release, held) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let workers = workers.clone();
            async move { workers.run(move || held.recv()).await }
        });
        while workers.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let workers = workers.clone();
                tokio::spawn(async move { workers.run(|| ()).await })
            })
            .collect();
        while workers.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(workers.run(|| ()).await, Err(Overloaded));
        release.send(()).unwrap();
        assert!(busy.await.unwrap().is_ok());
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(workers.run(|| ()).await, Ok(()));
    }

    #[tokio::test]
    async fn work_apart_ends_with_its_thread() {
        assert_eq!(
            apart(|| thread::current().name().map(str::to_owned)).await,
            Some(Some("private keys".to_owned()))
        );
        assert_eq!(apart(|| -> u8 { panic!("a test's panic") }).await, None);
    }
}
