import { byId, setText, showList } from './dom.js';
import { createRow, updateRow } from './messageRow.js';
import { rowsOf } from './rows.js';
import { titleOf, typingSentence } from './titles.js';

/** @import { Actions } from './messageRow.js' */
/** @import { Session } from './session.js' */
/** @import { Conversation } from './types.js' */

/** As near to the end as counts for being there; a line of text more or less is not a decision to scroll up. */
const AT_END_PX = 60;
/** Older messages are read before the reader gets to the top. */
const LOOK_BACK_PX = 300;
const MOST_NAMED = 6;

/** The messages of the open conversation, and the scrolling. */
export class Thread {
  #session;
  #actions;
  #scroller = byId('scroller');
  #list = byId('messages');
  #newest = byId('newest');
  /** @type {Conversation | undefined} */
  #shown;
  #placed = false;
  /** @type {number | null} the marker when the user stopped looking: what came after it is marked as new */
  #newAfter = null;
  #atEnd = true;
  /** What the list looked like when it was drawn last. */
  #drawn = { oldest: '', newest: '', height: 0 };

  /**
   * @param {Session} session
   * @param {Actions} actions
   */
  constructor(session, actions) {
    this.#session = session;
    this.#actions = { ...actions, show: (id) => this.#show(id) };
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#list.addEventListener('click', (event) => this.#touched(event));
    this.#newest.addEventListener('click', () => this.#goToEnd());
    document.addEventListener('visibilitychange', () => this.#reportSeen());
    // The composer grows, a phone's keyboard opens: who was at the end stays there.
    new ResizeObserver(() => this.#atEnd && this.#goToEnd()).observe(this.#scroller);
  }

  render() {
    const conversation = this.#session.open;
    if (conversation !== this.#shown) this.#begin(conversation);
    if (!conversation) return;
    setText(byId('title'), titleOf(conversation, this.#session.user));
    setText(byId('subtitle'), subtitleOf(conversation, this.#session.user));
    setText(byId('typing'), typingSentence(conversation));
    setText(byId('beginning'), beginningOf(conversation));
    this.#renderMessages(conversation);
    this.#reportSeen();
  }

  /** @param {Conversation | undefined} conversation */
  #begin(conversation) {
    this.#shown = conversation;
    this.#placed = false;
    this.#atEnd = true;
    this.#newAfter = null;
    if (conversation) this.#markNew(conversation);
    this.#drawn = { oldest: '', newest: '', height: 0 };
    showList(this.#list, [], { key: String, create: createRow, update: () => undefined });
  }

  /** Mark what is new unless the user is looking at it as it comes. */
  #markNew({ unreadCount, readSeq }) {
    const looking = this.#placed && this.#atEnd && document.visibilityState === 'visible';
    if (this.#newAfter === null && unreadCount > 0 && !looking) this.#newAfter = readSeq;
  }

  /** @param {Conversation} conversation */
  #renderMessages(conversation) {
    this.#markNew(conversation);
    const { user, outbox } = this.#session;
    const entries = outbox.of(conversation.id);
    const rows = conversation.history === 'none' && entries.length === 0
      ? [] : rowsOf(conversation, entries, { user, newAfter: this.#newAfter });
    const view = { user, conversation, actions: this.#actions };
    showList(this.#list, rows, {
      key: (row) => row.key,
      create: createRow,
      update: (line, row) => updateRow(line, row, view),
    });
    this.#keepPlace(conversation, rows);
  }

  /** Stay at the end, or at what is being read while older messages appear above or newer ones below. */
  #keepPlace(conversation, rows) {
    const contents = rows.filter((row) => row.senderId);
    const [oldest, newest] = [contents.at(0)?.key ?? '', contents.at(-1)?.key ?? ''];
    const before = this.#drawn;
    const height = this.#scroller.scrollHeight;
    const mineIsNew = newest !== before.newest && contents.at(-1)?.senderId === this.#session.user;
    if (!this.#placed) this.#place(conversation);
    else if (this.#atEnd || mineIsNew) this.#goToEnd();
    else if (oldest !== before.oldest) this.#scroller.scrollTop += height - before.height;
    if (mineIsNew && before.newest) this.#newAfter = null;
    this.#drawn = { oldest, newest, height };
    this.#renderNewest(conversation);
    this.#lookBack();
  }

  /** The first time, begin where the user stopped reading. */
  #place(conversation) {
    this.#placed = conversation.history === 'loaded';
    const mark = this.#list.querySelector('.unread');
    this.#goToEnd();
    if (this.#placed && mark) this.#scroller.scrollTop = mark.offsetTop - this.#scroller.clientHeight / 3;
    this.#atEnd = this.#isAtEnd();
  }

  #goToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#atEnd = true;
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < AT_END_PX;
  }

  #scrolled() {
    this.#atEnd = this.#isAtEnd();
    if (this.#shown) this.#renderNewest(this.#shown);
    this.#reportSeen();
    this.#lookBack();
  }

  #lookBack() {
    if (this.#placed && this.#scroller.scrollTop < LOOK_BACK_PX) this.#session.lookBack();
  }

  /** @param {Conversation} conversation */
  #renderNewest({ unreadCount }) {
    this.#newest.hidden = this.#atEnd;
    byId('newest-text').textContent = unreadCount > 0 ? `${unreadCount} new` : 'Newest';
  }

  /** Move the read marker to the lowest message in view, if anybody is looking. */
  #reportSeen() {
    const conversation = this.#shown;
    if (!conversation || !this.#placed || document.visibilityState !== 'visible') return;
    const end = this.#scroller.getBoundingClientRect().bottom;
    const unread = [...conversation.messages.values()].filter(({ seq }) => seq > conversation.readSeq);
    const seen = unread.filter(({ id }) => (byId(`message-${id}`)?.getBoundingClientRect().top ?? end) < end);
    if (seen.length > 0) this.#session.seen(conversation, Math.max(...seen.map(({ seq }) => seq)));
  }

  /** @param {string} messageId */
  #show(messageId) {
    const line = byId(`message-${messageId}`);
    line?.scrollIntoView({ block: 'center', behavior: 'smooth' });
    line?.classList.remove('pointed');
    requestAnimationFrame(() => line?.classList.add('pointed'));
  }

  /** Where nothing can hover, a tap on a message shows what can be done with it. */
  #touched({ target, pointerType }) {
    if (pointerType !== 'touch' || target.closest('button')) return;
    const line = target.closest('.message');
    for (const each of this.#list.querySelectorAll('.chosen')) if (each !== line) each.classList.remove('chosen');
    line?.classList.toggle('chosen');
  }
}

/**
 * @param {Conversation} conversation
 * @param {string} user
 */
function subtitleOf({ kind, participants }, user) {
  if (kind === 'direct') return 'Direct conversation';
  if (!participants) return '';
  const others = [...participants.keys()].filter((userId) => userId !== user);
  if (others.length > MOST_NAMED) return `${participants.size} people`;
  return others.length === 0 ? 'Only you' : `You, ${others.join(', ')}`;
}

/** @param {Conversation} conversation */
function beginningOf({ history, hasMore }) {
  if (history === 'loading') return 'Loading…';
  return history === 'loaded' && !hasMore ? 'This is where the conversation begins.' : '';
}
