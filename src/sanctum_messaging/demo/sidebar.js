import { avatar, byId, element, setText, showList } from './dom.js';
import { shortOf } from './times.js';
import { previewOf, titleOf, typingSentence } from './titles.js';

/** @import { Session } from './session.js' */
/** @import { Conversation } from './types.js' */

const MOST_SHOWN = 99;

/** The list of conversations. */
export class Sidebar {
  #session;
  #open;

  /**
   * @param {Session} session
   * @param {(conversationId: string) => void} open
   */
  constructor(session, open) {
    this.#session = session;
    this.#open = open;
  }

  render() {
    const conversations = this.#session.store.list();
    byId('no-conversations').hidden = conversations.length > 0 || !this.#session.ready;
    showList(byId('conversations'), conversations, {
      key: ({ id }) => id,
      create: (conversation) => this.#create(conversation),
      update: (line, conversation) => this.#update(line, conversation),
    });
  }

  /** @param {Conversation} conversation */
  #create({ id }) {
    const button = element(
      'button',
      { type: 'button', click: () => this.#open(id) },
      element('span', { class: 'picture' }),
      element('span', { class: 'title' }),
      element('time', {}),
      element('span', { class: 'preview' }),
      element('span', { class: 'unread-count' }),
    );
    return element('li', {}, button);
  }

  /**
   * @param {Element} line
   * @param {Conversation} conversation
   */
  #update(line, conversation) {
    const { user, openId } = this.#session;
    const [button] = line.children;
    const [picture, title, time, preview, count] = button.children;
    const name = titleOf(conversation, user);
    if (title.textContent !== name) picture.replaceChildren(avatar(name));
    setText(title, name);
    setText(time, shortOf(new Date(conversation.lastMessage?.createdAt ?? conversation.createdAt)));
    setText(preview, this.#previewOf(conversation));
    preview.classList.toggle('live', conversation.typing.size > 0);
    const { unreadCount } = conversation;
    setText(count, unreadCount > MOST_SHOWN ? `${MOST_SHOWN}+` : String(unreadCount || ''));
    if (unreadCount > 0) count.setAttribute('aria-label', `${unreadCount} unread`);
    else count.removeAttribute('aria-label');
    if (conversation.id === openId) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }

  /** @param {Conversation} conversation */
  #previewOf(conversation) {
    const { user, outbox } = this.#session;
    const waiting = outbox.of(conversation.id).at(-1);
    if (conversation.typing.size > 0) return typingSentence(conversation);
    if (waiting) return `You: ${waiting.body}`;
    return conversation.lastMessage ? previewOf(conversation.lastMessage, user) : 'No messages yet';
  }
}
