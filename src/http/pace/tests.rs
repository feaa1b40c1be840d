use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// What a test has written lies with the stream and is read at once.
impl Unread for DuplexStream {
    fn has_unread(&self) -> bool {
        false
    }
}

/// A served stream, its pulse and its peer.
fn pair(caps: &Caps) -> (Paced<DuplexStream>, Arc<Pulse>, DuplexStream) {
    let (ours, theirs) = duplex(64);
    let pulse = Arc::new(Pulse::new());
    (Paced::new(ours, Arc::clone(&pulse), caps), pulse, theirs)
}

async fn now(served: &mut Paced<DuplexStream>) -> Poll<io::Result<()>> {
    let mut space = [0; 8];
    let mut buffer = ReadBuf::new(&mut space);
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *served).poll_read(cx, &mut buffer))).await
}

#[tokio::test]
async fn the_end_of_a_request_begins_a_new_wait() {
    let caps = Caps { idle_timeout: Duration::from_millis(20), ..Caps::default() };
    let (mut served, pulse, _peer) = pair(&caps);
    let under_way = pulse.begin();
    // An idle connection of the same age tells that the limit has passed.
    let (mut idle, _, _other) = pair(&caps);
    assert_eq!(idle.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(under_way);
    let now = now(&mut served).await;
    assert!(now.is_pending(), "{now:?}");
    assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn every_ask_is_heard_once() {
    let pulse = Pulse::new();
    pulse.ask(Ask::Abort);
    pulse.ask(Ask::Leave);
    let asked = pulse.asked().await;
    assert!(asked.has(Ask::Abort) && asked.has(Ask::Leave) && !asked.has(Ask::Finish));
    pulse.ask(Ask::Finish);
    let asked = pulse.asked().await;
    assert!(asked.has(Ask::Finish) && !asked.has(Ask::Abort));
}

#[tokio::test]
async fn one_who_makes_room_goes_between_requests_and_not_within() {
    let (mut served, pulse, mut peer) = pair(&Caps::default());
    peer.write_all(b"GET").await.unwrap();
    assert_eq!(served.read(&mut [0; 8]).await.unwrap(), 3);
    pulse.ask(Ask::Leave);
    assert!(now(&mut served).await.is_pending(), "a head has begun");
    let mut under_way = pulse.begin();
    under_way.complete();
    pulse.ask(Ask::Leave);
    assert!(now(&mut served).await.is_pending(), "a request is under way");
    served.write_all(b"answer").await.unwrap();
    served.flush().await.unwrap();
    drop(under_way);
    assert_eq!(served.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_who_has_just_come_may_say_its_first_word_while_the_door_is_shut() {
    let (mut served, pulse, mut peer) = pair(&Caps::default());
    pulse.ask(Ask::Finish);
    assert!(now(&mut served).await.is_pending());
    peer.write_all(b"GET").await.unwrap();
    assert_eq!(served.read(&mut [0; 8]).await.unwrap(), 3);
    let (mut silent, pulse, _peer) = pair(&Caps::default());
    pulse.ask(Ask::Finish);
    let begun = Instant::now();
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), FIRST_WORD.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_http2_preface_alone_does_not_hold_a_connection() {
    let caps = Caps::default();
    let (mut served, pulse, mut peer) = pair(&caps);
    let begun = Instant::now();
    peer.write_all(PREFACE).await.unwrap();
    assert_eq!(served.read(&mut [0; 64]).await.unwrap(), 16);
    // Neither what we write nor its own frames give it more time.
    served.write_all(b"settings").await.unwrap();
    peer.write_all(b"ping").await.unwrap();
    assert_eq!(served.read(&mut [0; 64]).await.unwrap(), 4);
    assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < caps.header_timeout + Duration::from_secs(1));
    assert!(pulse.speaks_http2());
    // Once it has asked for something it may be idle like any other.
    let (mut served, pulse, mut peer) = pair(&caps);
    peer.write_all(PREFACE).await.unwrap();
    assert_eq!(served.read(&mut [0; 64]).await.unwrap(), 16);
    drop(pulse.begin());
    let begun = Instant::now();
    assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() >= caps.idle_timeout);
}

#[tokio::test(start_paused = true)]
async fn one_who_still_sends_is_listened_to_after_our_last_word_but_not_for_ever() {
    let (mut served, _, mut peer) = pair(&Caps::default());
    let sender = tokio::spawn(async move {
        while peer.write_all(&[0; 32]).await.is_ok() {}
        peer
    });
    served.shutdown().await.unwrap();
    assert_eq!(served.linger.as_ref().map(|linger| linger.left), Some(0));
    drop(served);
    sender.await.unwrap();
    let (mut served, _, _silent) = pair(&Caps::default());
    let begun = Instant::now();
    served.shutdown().await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), LINGER.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_counted_from_the_last_word_and_not_from_when_it_is_noticed() {
    let caps = Caps { header_timeout: Duration::from_mins(1), ..Caps::default() };
    let (mut served, pulse, mut peer) = pair(&caps);
    let begun = Instant::now();
    peer.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert_eq!(served.read(&mut [0; 16]).await.unwrap(), 16);
    drop(pulse.begin());
    // Nothing has to be read after these words, and so nobody looks until the alarm rings.
    assert!(now(&mut served).await.is_pending());
    served.write_all(b"settings").await.unwrap();
    assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < caps.idle_timeout + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_takes_are_kept_for_so_long_and_no_longer() {
    let caps = Caps::default();
    let (mut served, pulse, mut peer) = pair(&caps);
    // The preface may come in pieces.
    for part in [&PREFACE[..2], &PREFACE[2..]] {
        peer.write_all(part).await.unwrap();
        assert_eq!(served.read(&mut [0; 16]).await.unwrap(), part.len());
    }
    assert!(pulse.speaks_http2());
    let (mut handled, mut answered) = (pulse.begin(), pulse.begin());
    handled.complete();
    tokio::time::advance(caps.write_timeout * 3).await;
    assert!(now(&mut served).await.is_pending(), "nothing is owed");
    answered.answered();
    tokio::time::advance(caps.write_timeout * 3 / 4).await;
    answered.taken();
    tokio::time::advance(caps.write_timeout * 3 / 4).await;
    assert!(now(&mut served).await.is_pending(), "something was taken meanwhile");
    // Neither another request under way nor the frames of HTTP/2 itself keep it.
    peer.write_all(b"ping").await.unwrap();
    assert_eq!(served.read(&mut [0; 16]).await.unwrap(), 4);
    served.write_all(b"pong").await.unwrap();
    let begun = Instant::now();
    assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < caps.write_timeout / 2, "{:?}", begun.elapsed());
    assert!(pulse.is_busy() && pulse.is_handling());
}
