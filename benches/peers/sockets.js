/** The open sockets by user. */
export class Sockets {
  #ofUsers = new Map();

  add(userId, socket) {
    const open = this.#ofUsers.get(userId);
    if (open) open.add(socket);
    else this.#ofUsers.set(userId, new Set([socket]));
  }

  remove(userId, socket) {
    const open = this.#ofUsers.get(userId);
    open?.delete(socket);
    if (open?.size === 0) this.#ofUsers.delete(userId);
  }

  of(userId) {
    return this.#ofUsers.get(userId) ?? [];
  }
}
