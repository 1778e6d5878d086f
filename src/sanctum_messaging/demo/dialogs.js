import { byId } from './dom.js';
import { NamesField } from './namesField.js';
import { problemSentence } from './sentences.js';

/**
 * Ask a question that is answered by a button or given up.
 *
 * @param {string} question
 * @param {string} answer  what the button says
 * @returns {Promise<boolean>}
 */
export function ask(question, answer) {
  const dialog = byId('confirm');
  byId('confirm-question').textContent = question;
  byId('confirm-yes').textContent = answer;
  byId('confirm-no').onclick = () => dialog.close('no');
  dialog.querySelector('form').onsubmit = (event) => {
    event.preventDefault();
    dialog.close('yes');
  };
  // A dialog that is left with Escape keeps the value of the last time.
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === 'yes');
  });
}

/** The form for a new conversation. */
export class NewConversation {
  #create;
  #done;
  #dialog = byId('new-conversation');
  #form = this.#dialog.querySelector('form');
  #names = new NamesField(byId('new-field'), 'new-names', 'Name, then Enter');
  /** A repeat of the same request bears the same key, so that an answer that got lost costs no second conversation. */
  #attempt = { wanted: '', key: '' };

  /**
   * @param {(wanted: any, idempotencyKey: string) => Promise<void>} create
   * @param {() => void} done
   */
  constructor(create, done) {
    this.#create = create;
    this.#done = done;
    this.#form.addEventListener('submit', (event) => this.#submit(event));
    this.#form.addEventListener('change', () => this.#renderKind());
    byId('new-cancel').addEventListener('click', () => this.#dialog.close());
  }

  open() {
    this.#form.reset();
    this.#names.clear();
    this.#attempt = { wanted: '', key: '' };
    byId('new-fault').textContent = '';
    this.#renderKind();
    this.#dialog.showModal();
    byId('new-name').focus();
  }

  #renderKind() {
    const direct = this.#form.elements.kind.value === 'direct';
    byId('new-title-row').hidden = direct;
    byId('new-names-label').textContent = direct ? 'With' : 'People';
    this.#names.limit(direct ? 1 : Infinity);
  }

  /** @param {SubmitEvent} event */
  async #submit(event) {
    event.preventDefault();
    const wanted = this.#read();
    if (wanted.kind === 'direct' && wanted.participants.length === 0) {
      byId('new-fault').textContent = 'Name the other one.';
      return;
    }
    try {
      await this.#create(wanted, this.#keyOf(JSON.stringify(wanted)));
      this.#dialog.close();
      this.#done();
    } catch (error) {
      byId('new-fault').textContent = problemSentence(error);
    }
  }

  #read() {
    const participants = this.#names.take().map((userId) => ({ userId }));
    if (this.#form.elements.kind.value === 'direct') return { kind: 'direct', participants };
    const title = byId('new-name').value.trim();
    return title ? { kind: 'group', title, participants } : { kind: 'group', participants };
  }

  /** @param {string} wanted */
  #keyOf(wanted) {
    if (this.#attempt.wanted !== wanted) this.#attempt = { wanted, key: crypto.randomUUID() };
    return this.#attempt.key;
  }
}
