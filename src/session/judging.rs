//! The machine's questions about senders, recipients and credentials, answered: first the
//! doorman (rates; who harvests addresses reads the same for every recipient), then the role
//! (see `admission`), then the gatekeeper (who is known).

use tokio::io::{AsyncRead, AsyncWrite};

use super::admission::{self, Admitted};
use super::conversation::{Conversation, going_down};
use super::house::{Authenticator, Caller, LogIn, Sight, Trail};
use super::pipeline::Pipeline;
use crate::mail::{Address, EnhancedCode, MailId, Reply, ReversePath, Role};
use crate::smtp::server::{AuthAsked, Hello, RecipientAsked, SenderAsked, Turn};

/// RFC 3463: bad destination mailbox address.
const NO_SUCH_MAILBOX: EnhancedCode = EnhancedCode(5, 1, 1);

impl<S, P, A> Conversation<S, P, A>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    P: Pipeline,
    A: Authenticator,
{
    fn caller<'a>(&'a self, hello: Option<&'a Hello>, reverse_path: &'a ReversePath) -> Caller<'a> {
        Caller {
            visitor: &self.visitor,
            helo: hello.map(|hello| hello.name.as_str()).unwrap_or_default(),
            account: self.account.as_ref().map(|account| account.name.as_str()),
            reverse_path,
        }
    }

    pub(super) async fn judge_sender(&mut self, asked: SenderAsked) -> Turn {
        if self.is_draining || *self.drain.borrow() {
            let reply = going_down().with_reference(self.visitor.reference);
            self.saw(Sight::CommandRefused { trail: None, command: "MAIL", reply: &reply });
            return asked.refuse(&reply);
        }
        let mail_id = MailId::mint();
        let reverse_path = asked.mail().reverse_path.clone();
        let trail = Trail { mail_id, reverse_path, forward_paths: Vec::new() };
        match self.permit_sender(asked.hello(), &trail.reverse_path).await {
            Ok(()) => {
                self.trail = Some(trail);
                Turn::Commands(asked.named(mail_id).accept())
            }
            Err(reply) => {
                let reply = reply.with_reference(mail_id);
                self.saw(Sight::SenderRefused { trail: &trail, reply: &reply });
                self.offences.add(usize::from(reply.is_permanent()));
                asked.refuse(&reply)
            }
        }
    }

    async fn permit_sender(
        &self,
        hello: Option<&Hello>,
        reverse_path: &ReversePath,
    ) -> Result<(), Reply> {
        admission::sender(&self.settings, self.account.as_ref(), reverse_path)?;
        let caller = self.caller(hello, reverse_path);
        self.house.doorman.sender(&caller)?;
        self.house.gatekeeper.sender(caller).await.map_or(Ok(()), Err)
    }

    pub(super) async fn judge_recipient(&mut self, asked: RecipientAsked) -> Turn {
        let mail_id = self.mail_id().unwrap_or(self.visitor.reference);
        match self.permit_recipient(&asked).await {
            Ok(address) => {
                if let Some(trail) = &mut self.trail
                    && trail.forward_paths.len() < Trail::FORWARD_PATHS
                {
                    trail.forward_paths.push(address.clone());
                }
                Turn::Commands(asked.accept(address))
            }
            Err(reply) => {
                let reply = reply.with_reference(mail_id);
                let forward_path = &asked.rcpt().forward_path;
                if let Some(trail) = &self.trail {
                    self.saw(Sight::RecipientRefused { trail, forward_path, reply: &reply });
                }
                self.count_refused_recipient(&reply);
                asked.refuse(&reply)
            }
        }
    }

    fn count_refused_recipient(&mut self, reply: &Reply) {
        self.offences.add(usize::from(reply.is_permanent()));
        if reply.enhanced == Some(NO_SUCH_MAILBOX) {
            let unknown = &mut self.manners.unknown_recipients;
            *unknown = unknown.saturating_add(1);
            if self.settings.role == Role::Inbound {
                self.house.doorman.unknown_recipient(self.visitor.client);
            }
        }
    }

    async fn permit_recipient(&self, asked: &RecipientAsked) -> Result<Address, Reply> {
        let null = ReversePath::Null;
        let reverse_path = asked.mail().map_or(&null, |mail| &mail.reverse_path);
        let caller = self.caller(asked.hello(), reverse_path);
        self.house.doorman.recipient(&caller)?;
        let address = match admission::recipient(&self.settings, &asked.rcpt().forward_path)? {
            Admitted::Settled(address) => address,
            Admitted::Asked(address) => self.house.gatekeeper.mailbox(&address).await?,
        };
        match self.house.gatekeeper.recipient(caller, &address).await {
            None => Ok(address),
            Some(reply) => Err(reply),
        }
    }

    pub(super) async fn authenticate(&mut self, asked: AuthAsked) -> Turn {
        let client = self.visitor.client;
        let given = asked.credentials();
        let doorman = &self.house.doorman;
        if let Err(reply) = doorman.log_in(client, &given.name) {
            let reply = reply.with_reference(self.visitor.reference);
            let sight = Sight::CommandRefused { trail: None, command: "AUTH", reply: &reply };
            self.saw(sight);
            self.offences.add(1);
            return asked.put_off(&reply);
        }
        match self.house.accounts.verify(&given.name, &given.password).await {
            Ok(Some(account)) => {
                doorman.log_in_ended(client, &given.name, LogIn::Succeeded);
                self.saw(Sight::Authenticated { account: &account.name });
                self.account = Some(account);
                Turn::Commands(asked.accept())
            }
            Ok(None) => {
                self.saw(Sight::AuthenticationFailed { name: &given.name });
                asked.refuse()
            }
            Err(error) => {
                doorman.log_in_ended(client, &given.name, LogIn::Undecided);
                tracing::error!(%error, %client, "AUTH deferred");
                asked.defer()
            }
        }
    }
}
