//! Where Argon2 runs: off the reactor, a few at a time, with a short queue.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// More hashing is asked for than there is room to queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many secrets are being verified")]
pub struct Overloaded;

/// Runs hashing on blocking threads. Each run takes 19 MiB while it lasts.
#[derive(Clone)]
pub struct Hashing {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Hashing {
    /// `at_once` run, twice as many wait, the rest is refused.
    pub fn new(at_once: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once.saturating_mul(3))),
        }
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
            drop(held);
            result
        });
        task.await.map_err(|_| Overloaded)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn refuses_what_does_not_fit_the_queue() {
        let hashing = Hashing::new(1);
        let (release, held) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let hashing = hashing.clone();
            async move { hashing.run(move || held.recv()).await }
        });
        while hashing.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let hashing = hashing.clone();
                tokio::spawn(async move { hashing.run(|| ()).await })
            })
            .collect();
        while hashing.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hashing.run(|| ()).await, Err(Overloaded));
        release.send(()).unwrap();
        assert!(busy.await.unwrap().is_ok());
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(hashing.run(|| ()).await, Ok(()));
    }
}
