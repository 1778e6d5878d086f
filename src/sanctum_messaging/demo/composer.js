import { byId } from './dom.js';

/** @import { Session } from './session.js' */
/** @import { Message } from './sanctum.js' */

/** The service's own bound, in characters as people count them, not in halves of surrogate pairs. */
const MAX_CHARACTERS = 8_000;

/** Where messages are written, edited and answered. What was typed in a conversation stays there until it is sent. */
export class Composer {
  #session;
  #notice;
  #field = byId('body');
  /** @type {Map<string, string>} what was typed, by conversation */
  #drafts = new Map();
  #conversationId = '';
  /** @type {{edit?: Message, replyTo?: Message}} */
  #about = {};

  /**
   * @param {Session} session
   * @param {(problem: string | Error) => void} notice
   */
  constructor(session, notice) {
    this.#session = session;
    this.#notice = notice;
    this.#field.addEventListener('input', () => this.#typed());
    this.#field.addEventListener('keydown', (event) => this.#pressed(event));
    this.#field.addEventListener('blur', () => session.typing(false));
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId('about-cancel').addEventListener('click', () => this.#cancel());
  }

  render() {
    const conversation = this.#session.open;
    if (!conversation) return;
    if (conversation.id !== this.#conversationId) this.#change(conversation.id);
    const observes = conversation.role === 'observer';
    byId('composer').hidden = observes;
    byId('may-not-send').hidden = !observes;
  }

  /** Be ready for typing, unless that would open a phone's keyboard over what should be read. */
  focus() {
    const ready = matchMedia('(pointer: fine)').matches && !byId('composer').hidden;
    (ready ? this.#field : byId('title')).focus();
  }

  /** @param {Message} message */
  edit(message) {
    this.#keepDraft();
    this.#setAbout({ edit: message });
    this.#write(message.body ?? '');
    this.#field.focus();
  }

  /** @param {Message} message */
  replyTo(message) {
    if (this.#about.edit) this.#restoreDraft();
    this.#setAbout({ replyTo: message });
    this.#field.focus();
  }

  /** @param {string} conversationId */
  #change(conversationId) {
    this.#keepDraft();
    this.#conversationId = conversationId;
    this.#setAbout({});
    this.#restoreDraft();
  }

  /** What is typed is a draft unless it is an edited message. */
  #keepDraft() {
    if (!this.#about.edit) this.#drafts.set(this.#conversationId, this.#field.value);
  }

  #restoreDraft() {
    this.#write(this.#drafts.get(this.#conversationId) ?? '');
  }

  /** @param {{edit?: Message, replyTo?: Message}} about */
  #setAbout(about) {
    this.#about = about;
    const message = about.edit ?? about.replyTo;
    byId('about').hidden = !message;
    byId('about-what').textContent = about.edit ? 'Editing' : `Replying to ${message?.senderId}`;
    byId('about-text').textContent = message?.body ?? '';
  }

  #cancel() {
    if (this.#about.edit) this.#restoreDraft();
    this.#setAbout({});
    this.#field.focus();
  }

  /** @param {string} text */
  #write(text) {
    this.#field.value = text;
    this.#fit();
  }

  /** Be as high as the text, up to what the style sheet allows. */
  #fit() {
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }

  #typed() {
    this.#fit();
    if (!this.#about.edit) this.#session.typing(this.#field.value !== '');
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    // Enter and Escape also end the composition of a character.
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'Escape') {
      this.#cancel();
    } else if (event.key === 'ArrowUp' && this.#field.value === '') {
      event.preventDefault();
      this.#editLast();
    }
  }

  #editLast() {
    const own = [...(this.#session.open?.messages.values() ?? [])]
      .filter(({ senderId, deletedAt }) => senderId === this.#session.user && !deletedAt)
      .sort((one, other) => other.seq - one.seq);
    if (own.length > 0) this.edit(own[0]);
  }

  #submit() {
    const text = this.#field.value.trim();
    const { length } = [...text];
    if (length === 0) return;
    if (length > MAX_CHARACTERS) {
      this.#notice(`A message has at most ${MAX_CHARACTERS} characters; this one has ${length}.`);
    } else if (this.#about.edit) {
      this.#submitEdit(this.#about.edit, text);
    } else {
      this.#send(text);
    }
  }

  /** @param {string} text */
  #send(text) {
    try {
      this.#session.send(text, this.#about.replyTo ?? null);
    } catch (error) {
      if (error.name !== 'QuotaExceededError') throw error;
      this.#notice('The browser has no room left to keep this message until it is sent.');
      return;
    }
    this.#write('');
    this.#setAbout({});
  }

  /**
   * @param {Message} message
   * @param {string} text
   */
  async #submitEdit(message, text) {
    try {
      if (text !== message.body) await this.#session.edit(message, text);
      if (this.#about.edit === message) this.#cancel();
    } catch (error) {
      this.#takeNewer(message);
      this.#notice(error);
    }
  }

  /** Where somebody was faster, saving once more goes by the message as it is now. */
  #takeNewer(message) {
    const newer = this.#session.open?.messages.get(message.id);
    if (newer && this.#about.edit === message) this.#setAbout({ edit: newer });
  }
}
