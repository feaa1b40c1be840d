//! How many connections there is room for, and the spare seats beyond them.
//!
//! On a spare seat only documents are answered, so that verifiers, balancers and auditors are served while every
//! other connection is busy. Whoever sits there moves as soon as there is room and it has another question.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::bounds::Caps;

/// The share of seats at which they are scarce.
const SCARCE_PART: u32 = 64;

/// The seats of one house.
pub(super) struct Rooms {
    main: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    /// How many there are of each.
    all: (u32, u32),
}

/// One of them; free again when dropped.
pub(super) struct Place {
    is_spare: AtomicBool,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    fn new(permit: OwnedSemaphorePermit, is_spare: bool) -> Self {
        Self { is_spare: AtomicBool::new(is_spare), permit: Mutex::new(Some(permit)) }
    }

    pub(super) fn is_spare(&self) -> bool {
        self.is_spare.load(Ordering::Acquire)
    }

    /// Leaves the spare seat for this one. Two requests of a connection may have come by one each; the second goes back.
    fn move_to(&self, permit: OwnedSemaphorePermit) {
        if self.is_spare.swap(false, Ordering::AcqRel) {
            *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        }
    }
}

impl Rooms {
    pub(super) fn new(caps: &Caps) -> Self {
        let seats =
            |count| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { main: seats(caps.connections), spare: seats(caps.spare), all: (caps.connections, caps.spare) }
    }

    pub(super) fn any(&self) -> Option<Place> {
        Arc::clone(&self.main).try_acquire_owned().ok().map(|permit| Place::new(permit, false))
    }

    /// Whether there are only a few left of very many.
    pub(super) fn are_scarce(&self) -> bool {
        self.main.available_permits() < usize::try_from(self.all.0 / SCARCE_PART).unwrap_or(usize::MAX)
    }

    pub(super) fn spare(&self) -> Option<Place> {
        Arc::clone(&self.spare).try_acquire_owned().ok().map(|permit| Place::new(permit, true))
    }

    /// The next seat that becomes free, of either kind.
    pub(super) async fn wait(&self) -> Place {
        let main = Arc::clone(&self.main).acquire_owned();
        let spare = Arc::clone(&self.spare).acquire_owned();
        let (permit, is_spare) = tokio::select! {
            biased;
            permit = main => (permit, false),
            permit = spare => (permit, true),
        };
        match permit {
            Ok(permit) => Place::new(permit, is_spare),
            // Nobody closes these; a seat that never comes is the caller's deadline.
            Err(_) => std::future::pending().await,
        }
    }

    pub(super) fn move_now(&self, place: &Place) -> bool {
        let permit = Arc::clone(&self.main).try_acquire_owned();
        permit.map(|permit| place.move_to(permit)).is_ok()
    }

    pub(super) async fn move_later(&self, place: &Place) {
        if let Ok(permit) = Arc::clone(&self.main).acquire_owned().await {
            place.move_to(permit);
        }
    }

    /// Waits until every seat is free. No seat is given meanwhile: the door is shut.
    pub(super) async fn emptied(&self) {
        let (main, spare) = self.all;
        drop((self.main.acquire_many(main).await, self.spare.acquire_many(spare).await));
    }
}
