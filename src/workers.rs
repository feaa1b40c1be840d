//! Work that would hold up the reactor, on threads of its own: a few at a time, with a bounded queue.
//!
//! Each kind of work has a [`Workers`] of its own, so that one kind never
//! takes the room of another. What does not fit is refused at once. Work on
//! private keys has a thread for itself, see [`apart`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroize as _;

/// Why work gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// It was not begun. This passes by itself.
    #[error("more work is asked for than there is room to queue")]
    Overloaded,
    /// It panicked, which is a fault of ours, or the process ends. The next work may do better.
    #[error("the work panicked")]
    Panicked,
}

/// Room for one piece of work, whether it waits or runs. Dropped, it is free again.
#[derive(Debug)]
pub struct Place {
    _admitted: OwnedSemaphorePermit,
    _giving_way: Option<OwnedSemaphorePermit>,
}

/// Runs work on blocking threads. Clones share the room.
#[derive(Clone, Debug)]
pub struct Workers {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// The places that work may have which gives way to other work.
    giving_way: Arc<Semaphore>,
    /// Places beyond all others, for work that nobody shall keep out.
    at_last: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
    at_once: usize,
    places: usize,
}

/// How full a [`Workers`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkersReading {
    /// Pieces of work that run.
    pub running: usize,
    /// The most that run at once.
    pub at_once: usize,
    /// Places that are taken and do not run: work that waits, or comes later.
    pub waiting: usize,
    /// The most that wait.
    pub most_waiting: usize,
    /// What did not fit since the start of the process.
    pub refused: u64,
}

impl Workers {
    /// `at_once` pieces run, `waiting` more wait, the rest is refused.
    pub fn new(at_once: usize, waiting: usize) -> Self {
        let places = at_once.saturating_add(waiting);
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(places)),
            giving_way: Arc::new(Semaphore::new(places.div_ceil(2))),
            at_last: Arc::new(Semaphore::new(at_once)),
            refused: Arc::default(),
            at_once,
            places,
        }
    }

    /// How full it is at this moment.
    pub fn reading(&self) -> WorkersReading {
        let running = self.at_once.saturating_sub(self.running.available_permits());
        let taken = self.places.saturating_sub(self.admitted.available_permits());
        WorkersReading {
            running,
            at_once: self.at_once,
            waiting: taken.saturating_sub(running),
            most_waiting: self.places.saturating_sub(self.at_once),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// As many at once as the machine has cores, and `waiting` for each core.
    pub fn on_every_core(waiting: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::new(cores, cores.saturating_mul(waiting))
    }

    /// Keeps a place for work that comes later, for [`run_reserved`](Self::run_reserved).
    pub fn reserve(&self) -> Result<Place, NotDone> {
        let admitted = self.admitted.clone().try_acquire_owned();
        admitted.map(|permit| Place { _admitted: permit, _giving_way: None }).map_err(|_| self.no_place())
    }

    /// The same for work that gives way: all of it together has half of the places.
    pub fn reserve_giving_way(&self) -> Result<Place, NotDone> {
        let giving_way = self.giving_way.clone().try_acquire_owned().map_err(|_| self.no_place())?;
        Ok(Place { _giving_way: Some(giving_way), ..self.reserve()? })
    }

    /// The same for work that nobody shall keep out: it has places beyond all others, as many as run at once.
    pub fn reserve_at_last(&self) -> Result<Place, NotDone> {
        let admitted = self.admitted.clone().try_acquire_owned();
        let admitted = admitted.or_else(|_| self.at_last.clone().try_acquire_owned());
        admitted.map(|permit| Place { _admitted: permit, _giving_way: None }).map_err(|_| self.no_place())
    }

    /// Counts what is refused.
    fn no_place(&self) -> NotDone {
        self.refused.fetch_add(1, Ordering::Relaxed);
        NotDone::Overloaded
    }

    /// Runs `work`. A caller that goes away while waiting frees its place at
    /// once; one that goes away while `work` runs frees it when that ends.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        self.run_at(self.reserve()?, work).await
    }

    /// The same at a place that was kept for it, which goes with the work.
    pub async fn run_at<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let work = move || {
            let _place = place;
            work()
        };
        self.run_reserved(work).await
    }

    /// The same for a caller that holds a place until this returns. `work` whose
    /// caller goes away while it runs is done to its end, so that no more run
    /// at once than may.
    pub async fn run_reserved<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        // The semaphore is never closed.
        let turn = self.running.clone().acquire_owned().await.map_err(|_| NotDone::Overloaded)?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let result = work();
            wipe_stack();
            result
        });
        task.await.map_err(|_| NotDone::Panicked)
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
        assert_eq!(workers.run(|| ()).await, Err(NotDone::Overloaded));
        let full = WorkersReading { running: 1, at_once: 1, waiting: 2, most_waiting: 2, refused: 1 };
        assert_eq!(workers.reading(), full);
        release.send(()).unwrap();
        assert!(busy.await.unwrap().is_ok());
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(workers.run(|| ()).await, Ok(()));
        assert_eq!(workers.reading(), WorkersReading { running: 0, waiting: 0, ..full });
    }

    #[tokio::test]
    async fn a_place_is_kept_from_everybody_else_until_it_is_dropped() {
        let workers = Workers::new(1, 0);
        let place = workers.reserve().unwrap();
        assert_eq!(workers.reserve().unwrap_err(), NotDone::Overloaded);
        assert_eq!(workers.run(|| ()).await, Err(NotDone::Overloaded));
        assert_eq!(workers.run_reserved(|| 7).await, Ok(7), "whoever has the place needs no other");
        drop(place);
        assert_eq!(workers.run(|| 8).await, Ok(8));
    }

    #[tokio::test]
    async fn work_that_gives_way_leaves_half_of_the_places_to_others() {
        let workers = Workers::new(1, 3);
        let low: Vec<_> = std::iter::from_fn(|| workers.reserve_giving_way().ok()).collect();
        assert_eq!(low.len(), 2);
        let usual: Vec<_> = std::iter::from_fn(|| workers.reserve().ok()).collect();
        assert_eq!(usual.len(), 2);
        drop(low);
        let others: Vec<_> = std::iter::from_fn(|| workers.reserve().ok()).collect();
        assert_eq!(others.len(), 2, "others may have all of them");
        drop((usual, others));
        assert!(workers.run_at(workers.reserve_giving_way().unwrap(), || ()).await.is_ok());
        assert!(Workers::new(1, 0).reserve_giving_way().is_ok(), "one place is there for everybody");
    }

    #[tokio::test]
    async fn a_panic_is_told_from_overload_and_takes_no_room_away() {
        let workers = Workers::new(1, 0);
        for _ in 0..3 {
            let panicked = workers.run(|| -> u8 { panic!("a test's panic") }).await;
            assert_eq!(panicked, Err(NotDone::Panicked));
        }
        assert_eq!(workers.run(|| 9).await, Ok(9));
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
