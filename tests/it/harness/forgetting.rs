//! What the loops take away for good, in the hands of a test: by a clock that has settled, like theirs.

use mintmark::store::Revoked;
use mintmark::time::Timestamp;

use super::TestMint;

impl TestMint {
    /// Drops what is over of the bodies, as the loop does.
    pub async fn drop_old_bodies(&self) {
        let retention = &self.app().retention;
        retention.tick(self.settled()).await.unwrap();
        assert_eq!(retention.concern(), None, "nothing of them is left on the disk");
    }

    /// Forgets the revocations that no token depends on, as the loop does, and tells which are left.
    pub async fn forget_revoked(&self) -> Revoked {
        if let Some(now) = self.settled() {
            self.app().revocations.sweep(now).await.unwrap();
        }
        self.app().store.revoked().await.unwrap()
    }

    /// Forgets the used assertions that no clock takes any more, as the loop does.
    pub async fn forget_assertions(&self) {
        if let Some(now) = self.settled() {
            self.app().forgetting.tick(now).await.unwrap();
        }
    }

    /// The time by which the loops forget, if there is one now.
    pub(super) fn settled(&self) -> Option<Timestamp> {
        self.app().settled.look().ok().flatten()
    }

    /// Forgets the answers whose time is over, as the loop does.
    pub async fn forget_answers(&self) {
        if let Some(now) = self.settled() {
            self.app().admin.forget_answers(now).await.unwrap();
        }
    }
}
