// Keeps the seats that share one browser apart.
//
// ComfyUI's editor keeps drafts, open tabs and its identity in storage that belongs to the
// whole origin. Runs before the editor and gives each seat names of its own, by patching
// prototypes: the editor's own objects stay genuine. This separates participants who take
// turns at one machine. It is no wall against hostile scripts; that takes an origin per seat.
function keepSeatsApart(seat) {
  "use strict";
  const prefix = `comfy-multi:${seat}:`;
  const toOwn = (name) => prefix + String(name);
  const isOwn = (name) => typeof name === "string" && name.startsWith(prefix);
  const toBare = (name) => name.slice(prefix.length);

  const getterOf = (prototype, property) =>
    Object.getOwnPropertyDescriptor(prototype, property).get;
  const replaceMethod = (prototype, method, value) =>
    Object.defineProperty(prototype, method, { value, writable: true, configurable: true, enumerable: true });
  const replaceGetter = (prototype, property, get) =>
    Object.defineProperty(prototype, property, { get, configurable: true, enumerable: true });

  const { getItem, setItem, removeItem, key: keyAt } = Storage.prototype;
  const lengthOf = getterOf(Storage.prototype, "length");
  const ownKeys = (storage) => {
    const keys = [];
    for (let index = 0; index < lengthOf.call(storage); index += 1) {
      const key = keyAt.call(storage, index);
      if (isOwn(key)) keys.push(key);
    }
    return keys;
  };
  replaceMethod(Storage.prototype, "getItem", function (key) {
    return getItem.call(this, toOwn(key));
  });
  replaceMethod(Storage.prototype, "setItem", function (key, value) {
    setItem.call(this, toOwn(key), value);
  });
  replaceMethod(Storage.prototype, "removeItem", function (key) {
    removeItem.call(this, toOwn(key));
  });
  replaceMethod(Storage.prototype, "key", function (index) {
    const key = ownKeys(this)[index];
    return key === undefined ? null : toBare(key);
  });
  replaceMethod(Storage.prototype, "clear", function () {
    for (const key of ownKeys(this)) removeItem.call(this, key);
  });
  replaceGetter(Storage.prototype, "length", function () {
    return ownKeys(this).length;
  });

  // What another seat's page stores is nobody's event here. The editor also sends itself
  // such events, with bare keys; those pass.
  const keyOf = getterOf(StorageEvent.prototype, "key");
  replaceGetter(StorageEvent.prototype, "key", function () {
    const key = keyOf.call(this);
    return isOwn(key) ? toBare(key) : key;
  });
  window.addEventListener(
    "storage",
    (event) => {
      const key = keyOf.call(event);
      if (event.isTrusted && key !== null && !isOwn(key)) event.stopImmediatePropagation();
    },
    { capture: true },
  );

  const { open, deleteDatabase, databases } = IDBFactory.prototype;
  replaceMethod(IDBFactory.prototype, "open", function (name, ...version) {
    return open.call(this, toOwn(name), ...version);
  });
  replaceMethod(IDBFactory.prototype, "deleteDatabase", function (name) {
    return deleteDatabase.call(this, toOwn(name));
  });
  replaceMethod(IDBFactory.prototype, "databases", async function () {
    const all = await databases.call(this);
    return all.filter(({ name }) => isOwn(name)).map((info) => ({ ...info, name: toBare(info.name) }));
  });
  const databaseName = getterOf(IDBDatabase.prototype, "name");
  replaceGetter(IDBDatabase.prototype, "name", function () {
    const name = databaseName.call(this);
    return isOwn(name) ? toBare(name) : name;
  });

  const channelName = getterOf(BroadcastChannel.prototype, "name");
  window.BroadcastChannel = class BroadcastChannel extends window.BroadcastChannel {
    constructor(name) {
      super(toOwn(name));
    }
    get name() {
      return toBare(channelName.call(this));
    }
  };

  // The editor takes `window.name` for its id, and the name outlives the page: another
  // seat's, or one that a link gave, is dropped.
  const marker = "comfy-multi:window";
  if (getItem.call(sessionStorage, marker) !== seat) {
    window.name = "";
    setItem.call(sessionStorage, marker, seat);
  }
}
