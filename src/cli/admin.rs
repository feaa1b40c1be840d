//! The admin API as a client sees it: JSON in, JSON out, problems as failures.
//!
//! RFC 9457 (problem documents), RFC 8288 (`Link`), RFC 9110 section 13 (`If-Match`).
//! It repeats nothing: what became of a request that got no answer is for a person to see. But over TCP it asks
//! again with a new token where the one it had was refused, which did nothing.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, LINK};
use hyper::{Method, StatusCode, Uri};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::advice;
use super::bearer::{Bearer, Credential};
use super::failure::Failure;
use super::refusal::refusal;
use super::wire::{self, Address, Response, Streamed, WireError};

/// A server's admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    address: Address,
    /// What it shows over TCP; nothing on the socket.
    bearer: Option<Arc<Bearer>>,
}

/// Why there is no answer.
enum Trouble {
    /// The request went wrong on its way.
    Wire(WireError),
    /// There was no token for it.
    NoToken(Failure),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Wire(error) => error.into(),
            Trouble::NoToken(failure) => failure,
        }
    }
}

/// An answer that was no refusal.
#[derive(Clone, Debug)]
struct Answer {
    headers: HeaderMap,
    document: Value,
}

impl Admin {
    /// The API at `address`, with the tokens of `bearer` if there is one; nothing is sent yet.
    pub fn at(address: Address, bearer: Option<Bearer>) -> Self {
        Self { address, bearer: bearer.map(Arc::new) }
    }

    /// The document at `path`.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.send(Method::GET, path, HeaderMap::new(), None).await?;
        Ok(self.accepted(path, answer).await?.document)
    }

    /// What the server says to `body`, or to an act that needs none.
    pub async fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let answer = self.send(Method::POST, path, HeaderMap::new(), body).await?;
        Ok(self.accepted(path, answer).await?.document)
    }

    /// What the server says to a body in JSON that holds a secret. It is erased here once it is sent.
    pub async fn post_secret(&self, path: &str, body: Zeroizing<Vec<u8>>) -> Result<Value, Failure> {
        let body = Bytes::from_owner(body);
        let answer = self.exchange(Method::POST, path, json_headers(), body).await?;
        Ok(self.accepted(path, answer).await?.document)
    }

    /// Makes or changes the object at `path`: `compose` sees the present one, if any. A change
    /// that somebody else made in between is not overwritten; the server refuses this one then.
    pub async fn put(
        &self,
        path: &str,
        compose: impl FnOnce(Option<&Value>) -> Result<Map<String, Value>, Failure>,
    ) -> Result<Value, Failure> {
        let present = self.send(Method::GET, path, HeaderMap::new(), None).await?;
        let (headers, body) = if present.status == StatusCode::NOT_FOUND {
            (HeaderMap::new(), compose(None)?)
        } else {
            let present = self.accepted(path, present).await?;
            (self.as_seen(&present)?, compose(Some(&present.document))?)
        };
        let answer = self.send(Method::PUT, path, headers, Some(&Value::Object(body))).await?;
        Ok(self.accepted(path, answer).await?.document)
    }

    /// Changes the object at `path` by the merge patch (RFC 7396) that `compose` makes of the present one, unless
    /// somebody else changed it in between.
    pub async fn patch(
        &self,
        path: &str,
        compose: impl FnOnce(&Value) -> Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        let present = self.send(Method::GET, path, HeaderMap::new(), None).await?;
        let present = self.accepted(path, present).await?;
        let mut headers = self.as_seen(&present)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/merge-patch+json"));
        let changes = compose(&present.document)?;
        let answer = self.send(Method::PATCH, path, headers, Some(&changes)).await?;
        Ok(self.accepted(path, answer).await?.document)
    }

    /// Takes the object at `path` away, unless somebody else changed it in between.
    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        let present = self.send(Method::GET, path, HeaderMap::new(), None).await?;
        let headers = self.as_seen(&self.accepted(path, present).await?)?;
        self.end(path, headers).await
    }

    /// Takes what is at `path` away, whatever it is like by now.
    pub async fn delete_unseen(&self, path: &str) -> Result<(), Failure> {
        self.end(path, HeaderMap::new()).await
    }

    async fn end(&self, path: &str, headers: HeaderMap) -> Result<(), Failure> {
        let answer = self.send(Method::DELETE, path, headers, None).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(refusal(answer.status, &answer.headers, &answer.body))
    }

    /// The condition that the object still is what was read.
    fn as_seen(&self, present: &Answer) -> Result<HeaderMap, Failure> {
        let etag = present.headers.get(ETAG).ok_or_else(|| self.foreign("an ETag"))?;
        Ok(HeaderMap::from_iter([(IF_MATCH, etag.clone())]))
    }

    /// All pages of a list as one `{"items":[...]}`, with `at_most` items if that is given, beside
    /// whatever else the first page says.
    pub async fn list(&self, path: &str, at_most: Option<usize>) -> Result<Value, Failure> {
        let mut items = Vec::new();
        let mut whole: Option<Map<String, Value>> = None;
        let mut next = Some(path.to_owned());
        while let Some(path) = next.take() {
            let answer = self.send(Method::GET, &path, HeaderMap::new(), None).await?;
            let Answer { headers, document } = self.unrefused(answer)?;
            let Value::Object(mut document) = document else { return Err(self.foreign("items")) };
            match document.get_mut("items").map(Value::take) {
                Some(Value::Array(page)) => items.extend(page),
                _ => return Err(self.foreign("items")),
            }
            whole.get_or_insert(document);
            if let Some(most) = at_most
                && items.len() >= most
            {
                items.truncate(most);
                break;
            }
            // A page that names itself would never end.
            next = next_page(&headers).filter(|next| *next != path);
        }
        let mut whole = whole.unwrap_or_default();
        whole.insert("items".to_owned(), Value::Array(items));
        Ok(Value::Object(whole))
    }

    /// One page of a list that has no end, and the path of the next. It asks and changes nothing, so a server that goes
    /// away meanwhile has left nothing undone: exit code 3.
    pub async fn page(&self, path: &str) -> Result<(Vec<Value>, String), Failure> {
        let answer = self.exchange(Method::GET, path, HeaderMap::new(), Bytes::new()).await;
        let answer = answer.map_err(|trouble| match trouble {
            Trouble::Wire(WireError::CutOff { .. } | WireError::Late(_)) => {
                Failure::unreachable(format!("the server at {} went away", self.address))
            }
            other => other.into(),
        })?;
        let Answer { headers, mut document } = self.unrefused(answer)?;
        match (document.get_mut("items").map(Value::take), next_page(&headers)) {
            (Some(Value::Array(items)), Some(next)) => Ok((items, next)),
            _ => Err(self.foreign("items and a way on")),
        }
    }

    /// An answer of any length, once it is known to be no refusal.
    pub async fn stream(&self, path: &str) -> Result<Streamed, Failure> {
        let ask = async |headers| {
            wire::send_streaming(&self.address, Method::GET, path, headers, Bytes::new()).await
        };
        let refused = |answer: &Streamed| answer.status == StatusCode::UNAUTHORIZED;
        let mut answer = self.let_in((&Method::GET, path), HeaderMap::new(), ask, refused).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > 64 * 1024 {
                break;
            }
        }
        Err(refusal(answer.status, &answer.headers, &body))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Option<&Value>,
    ) -> Result<Response, Failure> {
        let body = body.map_or_else(Bytes::new, |body| {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Bytes::from(body.to_string())
        });
        Ok(self.exchange(method, path, headers, body).await?)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Trouble> {
        let ask =
            async |headers| wire::send(&self.address, method.clone(), path, headers, body.clone()).await;
        let refused = |answer: &Response| answer.status == StatusCode::UNAUTHORIZED;
        self.let_in((&method, path), headers, ask, refused).await
    }

    /// Sends with a token where one is needed. One that was used before and is `refused` may have come to its end:
    /// then there is a new one, and the request again.
    async fn let_in<T>(
        &self,
        (method, path): (&Method, &str),
        mut headers: HeaderMap,
        send: impl AsyncFn(HeaderMap) -> Result<T, WireError>,
        refused: impl Fn(&T) -> bool,
    ) -> Result<T, Trouble> {
        let Some(bearer) = &self.bearer else { return send(headers).await.map_err(Trouble::Wire) };
        let Credential { value, is_used } =
            bearer.credential(method, path).await.map_err(Trouble::NoToken)?;
        headers.insert(AUTHORIZATION, value);
        let answer = send(headers.clone()).await.map_err(Trouble::Wire)?;
        if !is_used || !refused(&answer) {
            return Ok(answer);
        }
        bearer.forget(method, path).await;
        let Credential { value, .. } = bearer.credential(method, path).await.map_err(Trouble::NoToken)?;
        headers.insert(AUTHORIZATION, value);
        send(headers).await.map_err(Trouble::Wire)
    }

    /// The answer, or its refusal with what may help.
    async fn accepted(&self, path: &str, answer: Response) -> Result<Answer, Failure> {
        if answer.status.is_client_error() {
            let failure = refusal(answer.status, &answer.headers, &answer.body);
            let list =
                async |list: &'static str| self.list(list, Some(advice::MOST)).await.unwrap_or_default();
            let advice = advice::after(list, path, (answer.status, &failure.to_string())).await;
            return Err(advice.map_or_else(|| failure.clone(), |advice| failure.advised(&advice)));
        }
        self.unrefused(answer)
    }

    fn unrefused(&self, answer: Response) -> Result<Answer, Failure> {
        if !answer.status.is_success() {
            return Err(refusal(answer.status, &answer.headers, &answer.body));
        }
        let document = serde_json::from_slice(&answer.body).map_err(|_| self.foreign("JSON"))?;
        Ok(Answer { headers: answer.headers, document })
    }

    fn foreign(&self, missing: &str) -> Failure {
        Failure::refused(format!(
            "the server at {} answered without {missing}: is it Mintmark's admin API? see --admin",
            self.address
        ))
    }
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// The path of `Link: <...>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let next = links.flat_map(|value| value.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim();
            parameter == "rel=\"next\"" || parameter == "rel=next"
        });
        is_next.then_some(target)
    })?;
    // Only this server is asked, whatever host the link names.
    next.parse::<Uri>().ok()?.path_and_query().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        let mut headers = HeaderMap::new();
        assert_eq!(next_page(&headers), None);
        let links = "</a?cursor=0>; rel=\"prev\", <http://mintmark/a?cursor=2>; rel=\"next\"";
        headers.insert(LINK, HeaderValue::from_static(links));
        assert_eq!(next_page(&headers).as_deref(), Some("/a?cursor=2"));
    }
}
