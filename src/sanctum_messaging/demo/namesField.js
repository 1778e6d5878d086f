import { element } from './dom.js';

/** A field for several user names: Enter or a comma ends one, Backspace takes the last away. */
export class NamesField {
  /** @type {string[]} */
  #names = [];
  #field;
  #input;
  #most = Infinity;

  /**
   * @param {Element} place
   * @param {string} id  of the input, for its label
   * @param {string} placeholder
   */
  constructor(place, id, placeholder) {
    const typing = { autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', maxlength: '255' };
    this.#input = /** @type {HTMLInputElement} */ (element('input', {
      id,
      placeholder,
      ...typing,
      keydown: (event) => this.#pressed(event),
      input: () => this.#typed(),
      blur: () => this.#end(),
    }));
    this.#field = element('div', { class: 'names', click: () => this.#input.focus() }, this.#input);
    place.append(this.#field);
  }

  /** @param {number} most  how many names it takes */
  limit(most) {
    this.#most = most;
    this.#names = this.#names.slice(0, most);
    this.#render();
  }

  /** The names, with the one that is being typed. */
  take() {
    this.#end();
    return [...this.#names];
  }

  clear() {
    this.#names = [];
    this.#input.value = '';
    this.#render();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter' && this.#input.value.trim() !== '') {
      event.preventDefault();
      this.#end();
    } else if (event.key === 'Backspace' && this.#input.value === '') {
      this.#names.pop();
      this.#render();
    }
  }

  #typed() {
    if (this.#input.value.includes(',')) this.#end();
  }

  #end() {
    const typed = this.#input.value.split(',').map((name) => name.trim()).filter(Boolean);
    if (typed.length === 0) return;
    this.#names = [...new Set([...this.#names, ...typed])].slice(0, this.#most);
    this.#input.value = '';
    this.#render();
  }

  #render() {
    for (const chip of this.#field.querySelectorAll('.chip')) chip.remove();
    this.#input.before(...this.#names.map((name) => this.#chip(name)));
  }

  /** @param {string} name */
  #chip(name) {
    const drop = () => {
      this.#names = this.#names.filter((each) => each !== name);
      this.#render();
      this.#input.focus();
    };
    const button = element('button', { type: 'button', 'aria-label': `Take ${name} out`, click: drop }, '×');
    return element('span', { class: 'chip' }, name, button);
  }
}
