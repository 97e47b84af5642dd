// Server-sent events out of a text that comes in pieces.

/**
 * @typedef {object} ServerEvent
 * @property {string} type
 * @property {string} data
 */

/** Reads events as the HTML standard says, and remembers the last id and what `retry` was told. */
export class EventReader {
  /** The id to resume from. */
  lastEventId = '';
  /** How long to wait before reconnecting, in milliseconds, if the server said so. */
  retry = undefined;

  #rest = '';
  #type = '';
  #data = [];
  #begun = false;

  /** What a new connection starts with: half an event of the last one is nothing. */
  restart() {
    this.#rest = '';
    this.#begun = false;
    this.#clear();
  }

  /**
   * @param {string} text the next piece
   * @returns {ServerEvent[]} the events that it completes
   */
  read(text) {
    this.#rest += text;
    if (!this.#begun && this.#rest) {
      this.#begun = true;
      this.#rest = this.#rest.replace(/^\uFEFF/, '');
    }
    const events = [];
    // A lone CR at the end may be half of a CRLF.
    for (let end; (end = /\r\n|\n|\r(?!$)/.exec(this.#rest)); ) {
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (line) this.#field(line);
      else if (this.#data.length) events.push({ type: this.#type || 'message', data: this.#data.join('\n') });
      if (!line) this.#clear();
    }
    return events;
  }

  #field(line) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#type = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.lastEventId = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #clear() {
    this.#type = '';
    this.#data = [];
  }
}
