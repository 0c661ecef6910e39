//! What the tests do with any browser.

use crate::Peer;

/// A browser that runs and obeys.
pub trait Browser: Send {
    /// Opens a page in the browser's only tab and waits until it is there, however long a person
    /// takes to answer. An error is the browser's own: a server that refuses the client with a page
    /// of its own is none.
    ///
    /// # Errors
    ///
    /// What the browser says when it shows no page of the server.
    fn open(&mut self, url: &str) -> Result<(), String>;

    /// Leaves the page that is there for another one, and does not wait for it.
    fn begin(&mut self, url: &str);

    /// The page as a person reads it.
    fn text(&mut self) -> String;

    /// The page as a person sees it, as PNG.
    fn picture(&mut self) -> Vec<u8>;

    /// Its process.
    fn peer(&mut self) -> &mut Peer;
}
