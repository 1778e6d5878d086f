/** The page: who the user is, and which part shows what. */
import { Composer } from './composer.js';
import { ask, NewConversation } from './dialogs.js';
import { byId, element } from './dom.js';
import { announce, notice } from './notices.js';
import { OUTBOX_KEYS } from './outbox.js';
import { People } from './people.js';
import { Session } from './session.js';
import { Sidebar } from './sidebar.js';
import { Status } from './status.js';
import { Thread } from './thread.js';
import { titleOf } from './titles.js';

const USER_KEY = 'sanctum.user';
const DEVICE_KEY = 'sanctum.device';
const SUGGESTIONS = ['ann', 'bob', 'cleo'];
const TYPING_TICK_MS = 1_000;

/** Find who the user of this tab is: from the address, or from before a reload. */
function findUser() {
  return new URLSearchParams(location.search).get('user')?.trim() || sessionStorage.getItem(USER_KEY);
}

/** Each tab is a device. */
function deviceOf() {
  const device = sessionStorage.getItem(DEVICE_KEY) ?? `tab-${crypto.randomUUID()}`;
  sessionStorage.setItem(DEVICE_KEY, device);
  return device;
}

/** Find the conversation that is looked at by the browser's history, which outlives a reload. */
function openBefore() {
  return history.state?.open ?? null;
}

/** @param {string} user */
const addressOf = (user) => `/?user=${encodeURIComponent(user)}`;

function showSignIn() {
  const links = SUGGESTIONS.map((user) => element('a', { href: addressOf(user) }, user));
  byId('suggestions').replaceChildren(...links.flatMap((link, index) => (index ? [', ', link] : [link])));
  byId('sign-in').hidden = false;
  byId('user').focus();
  byId('sign-in').querySelector('form').addEventListener('submit', (event) => {
    event.preventDefault();
    const user = byId('user').value.trim();
    if (user) location.assign(addressOf(user));
  });
}

/** The parts of the page while a user is at work. */
class App {
  #session;
  #composer;
  #views;

  /** @param {string} user */
  constructor(user) {
    const renderSoon = batched(() => this.render());
    this.#session = new Session(user, deviceOf(), { changed: renderSoon, notice, arrived });
    this.#composer = new Composer(this.#session, notice);
    this.#views = [
      new Sidebar(this.#session, (conversationId) => this.#look(conversationId)),
      new Thread(this.#session, this.#actions()),
      this.#composer,
      new People(this.#session, ask, notice),
      new Status(this.#session),
    ];
    this.#listen();
  }

  start() {
    this.#session.openId = openBefore();
    this.#session.start();
  }

  render() {
    const { open } = this.#session;
    this.#remember();
    byId('app').dataset.pane = open ? 'thread' : 'list';
    byId('open').hidden = !open;
    byId('nothing-open').hidden = Boolean(open);
    this.#views.forEach((view) => view.render());
    document.title = titleOfPage(this.#session);
  }

  /** Back and forward lead through what was looked at; what is gone is no place to come back to. */
  #remember() {
    const { openId } = this.#session;
    if (openId === openBefore()) return;
    if (openId === null) history.replaceState(null, '');
    else history.pushState({ open: openId }, '');
  }

  #listen() {
    const session = this.#session;
    const create = new NewConversation((wanted, key) => session.create(wanted, key), () => this.#focus());
    byId('back').addEventListener('click', () => history.back());
    addEventListener('popstate', () => session.look(openBefore()));
    for (const id of ['create', 'create-first']) byId(id).addEventListener('click', () => create.open());
    byId('change-user').addEventListener('click', changeUser);
    addEventListener('storage', ({ key }) => key?.startsWith(OUTBOX_KEYS) && session.outbox.reload());
    setInterval(() => session.store.expireTyping(), TYPING_TICK_MS);
  }

  #actions() {
    const session = this.#session;
    const remove = async (message) => {
      if (await ask('Delete this message for everyone?', 'Delete')) await session.delete(message).catch(notice);
    };
    return {
      reply: (message) => this.#composer.replyTo(message),
      edit: (message) => this.#composer.edit(message),
      remove,
      retry: (entry) => session.outbox.retry(entry),
      discard: (entry) => session.outbox.discard(entry),
    };
  }

  /** @param {string} conversationId */
  #look(conversationId) {
    this.#session.look(conversationId);
    this.#focus();
  }

  /** What gets the focus has to be there. */
  #focus() {
    this.render();
    this.#composer.focus();
  }
}

/** @param {string} user */
function showApp(user) {
  sessionStorage.setItem(USER_KEY, user);
  const other = SUGGESTIONS.find((name) => name !== user) ?? 'bob';
  byId('me').textContent = user;
  byId('welcome').textContent = `Hello ${user}. Choose a conversation, or start one.`;
  byId('other-tab').textContent = `a tab as ${other}`;
  byId('other-tab').href = addressOf(other);
  byId('app').hidden = false;
  new App(user).start();
}

function changeUser() {
  sessionStorage.removeItem(USER_KEY);
  sessionStorage.removeItem(DEVICE_KEY);
  location.assign('/');
}

function arrived(message, conversation) {
  announce(`${message.senderId} in ${titleOf(conversation, '')}: ${message.body}`);
}

/** @param {Session} session */
function titleOfPage({ user, store }) {
  const unread = store.list().reduce((sum, { unreadCount }) => sum + unreadCount, 0);
  return `${unread > 0 ? `(${unread}) ` : ''}${user} · Sanctum Messaging`;
}

/**
 * Many changes at once are drawn once. Not by the frame: a tab in the background has none, and its title should count.
 *
 * @param {() => void} work
 */
function batched(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      work();
    });
  };
}

const user = findUser();
if (user) showApp(user);
else showSignIn();
