//! Questions to the database, asked from async code and answered in threads of their own, so that
//! a slow disk never stops the network. They never wait for the writer.

use crate::store::{Fault, Reader};
use crate::tasks::AbortOnPanic;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::oneshot;

type Question = Box<dyn FnOnce(&mut dyn Reader) + Send>;

/// Where questions go.
#[derive(Clone)]
pub struct Reads(Arc<Way>);

enum Way {
    /// To threads, the number of questions that may wait bounded.
    Threads(mpsc::SyncSender<Question>),
    /// At once, in the caller's own thread: for tests and simulation.
    Inline(Mutex<Box<dyn Reader>>),
}

impl Reads {
    /// One thread for each reader.
    pub fn threads(readers: Vec<Box<dyn Reader>>) -> std::io::Result<Reads> {
        let (sender, receiver) = mpsc::sync_channel::<Question>(4096);
        let receiver = Arc::new(Mutex::new(receiver));
        for mut reader in readers {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new().name("nts-reader".into()).spawn(move || {
                let _vital = AbortOnPanic;
                loop {
                    let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match next {
                        Ok(question) => question(reader.as_mut()),
                        Err(mpsc::RecvError) => return,
                    }
                }
            })?;
        }
        Ok(Reads(Arc::new(Way::Threads(sender))))
    }

    /// All questions are answered where they are asked.
    pub fn inline(reader: Box<dyn Reader>) -> Reads {
        Reads(Arc::new(Way::Inline(Mutex::new(reader))))
    }

    /// Whether all questions are answered where they are asked.
    pub fn are_inline(&self) -> bool {
        matches!(&*self.0, Way::Inline(_))
    }

    /// Asks. The error is a fault of the database, or that too many questions wait.
    pub async fn ask<T, F>(&self, question: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Reader) -> Result<T, Fault> + Send + 'static,
    {
        let sender = match &*self.0 {
            Way::Threads(sender) => sender,
            Way::Inline(reader) => {
                let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
                return question(reader.as_mut());
            }
        };
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |reader| _ = answer.send(question(reader)));
        if sender.try_send(question).is_err() {
            return Err(Fault::NotDone("too many questions wait for the database".into()));
        }
        answered.await.unwrap_or_else(|_| Err(Fault::NotDone("the reader is gone".into())))
    }
}

#[cfg(test)]
mod tests;
