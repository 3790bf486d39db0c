// A store without the limit of oidc-provider's own, which keeps 1,000 entries and would drop valid
// tokens under load.

const store = new Map();

export class MapAdapter {
  constructor(model) {
    this.key = (id) => `${model}:${id}`;
  }

  async upsert(id, payload) {
    store.set(this.key(id), payload);
  }

  async find(id) {
    const payload = store.get(this.key(id));
    if (payload?.exp && payload.exp * 1000 + 60_000 < Date.now()) {
      store.delete(this.key(id));
      return undefined;
    }
    return payload;
  }

  async consume(id) {
    const payload = store.get(this.key(id));
    if (payload) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    store.delete(this.key(id));
  }

  async findByUid() {}

  async findByUserCode() {}

  async revokeByGrantId() {}
}
