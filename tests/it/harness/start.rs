//! How an issuer under test comes to be: when, as which build, on which store, with which keys.

use std::path::Path;
use std::sync::Arc;

use mintmark::app::{self, Ambient, App, Purpose};
use mintmark::config::{Kek, Settings};
use mintmark::time::Timestamp;

use super::{FakeClock, ISSUER, KEK, START, SeededEntropy, TestMint, doors};

/// What a test may choose at the start; the default is what most tests have.
pub struct Start<'a> {
    /// What the clock shows.
    pub now: Timestamp,
    /// What the program calls itself in records.
    pub build: &'static str,
    /// Seals the private keys.
    pub kek: [u8; 32],
    /// Where randomness and keys come from.
    pub entropy: SeededEntropy,
    /// The database to go on with, which is copied; a fresh one if there is none.
    pub found: Option<&'a Path>,
    /// Settings of the environment.
    pub environment: &'a [(&'a str, &'a str)],
}

impl Default for Start<'_> {
    fn default() -> Self {
        Self {
            now: START,
            build: mintmark::VERSION,
            kek: KEK,
            entropy: SeededEntropy::new(b"mintmark"),
            found: None,
            environment: &[],
        }
    }
}

impl Start<'_> {
    /// The issuer, opened.
    pub async fn mint(self) -> TestMint {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut environment = vec![
            ("MINTMARK_ISSUER".to_owned(), ISSUER.to_owned()),
            ("MINTMARK_DATA_DIR".to_owned(), data.display().to_string()),
        ];
        environment.extend(self.environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let settings = Settings::load(None, &environment).unwrap();
        match self.found {
            Some(database) => take_over(database, &data),
            None => app::make_store(&settings, Purpose::Service).await.unwrap(),
        }
        let (clock, entropy) = (Arc::new(FakeClock::at(self.now)), Arc::new(self.entropy));
        let app = open(&settings, self.kek, ambient(self.build, &clock, &entropy)).await.unwrap();
        let (public, admin) = doors(&app);
        let (kek, build, ledger) = (self.kek, self.build, std::sync::Mutex::default());
        TestMint { folder, environment, kek, build, clock, entropy, app: Some(app), public, admin, ledger }
    }
}

impl TestMint {
    /// This test's clock, chance and build, for parts of one's own.
    pub fn ambient(&self) -> Ambient {
        ambient(self.build, &self.clock, &self.entropy)
    }

    /// Opens a service on these settings with this test's clock, chance and key.
    pub(super) async fn open(&self, settings: &Settings) -> Result<App, app::CannotStart> {
        open(settings, self.kek, self.ambient()).await
    }
}

/// The same owner and the same modes as a service leaves its files with.
fn take_over(database: &Path, data: &Path) {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    std::fs::DirBuilder::new().mode(0o700).create(data).unwrap();
    let mut options = std::fs::OpenOptions::new();
    let mut copy = options.write(true).create_new(true).mode(0o600).open(data.join("mintmark.db")).unwrap();
    std::io::copy(&mut std::fs::File::open(database).unwrap(), &mut copy).unwrap();
}

fn ambient(build: &'static str, clock: &Arc<FakeClock>, entropy: &Arc<SeededEntropy>) -> Ambient {
    Ambient { clock: clock.clone(), entropy: entropy.clone(), build }
}

async fn open(settings: &Settings, kek: [u8; 32], ambient: Ambient) -> Result<App, app::CannotStart> {
    App::open(settings, &Kek::new(kek), ambient, Purpose::Service).await
}
