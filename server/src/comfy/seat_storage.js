// Keeps the seats that share one browser apart.
//
// ComfyUI's editor keeps drafts, open tabs and its identity in storage that belongs to the
// whole origin. Runs before the editor and gives each seat names of its own, by patching
// prototypes and by views of the two storages. Cookies and the Cache API are left as they are:
// no version of the editor keeps a participant's work there. This separates participants who
// take turns at one machine. It is no wall against hostile scripts; that takes an origin per
// seat (SEAT_HOST_PATTERN).
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

  // A storage's items are its properties too (`localStorage.draft`, `in`, `Object.keys`),
  // which no prototype can rename: pages get a view of it instead.
  const genuine = new WeakMap();
  const views = new WeakMap();
  const toGenuine = (storage) => genuine.get(storage) ?? storage;
  const isItem = (property) => typeof property === "string" && !(property in Storage.prototype);
  const itemOf = (storage, property) => getItem.call(storage, toOwn(property));
  const viewOf = (storage) => {
    const view = new Proxy(storage, {
      get: (target, property) =>
        isItem(property) ? (itemOf(target, property) ?? undefined) : Reflect.get(target, property, target),
      has: (target, property) => (isItem(property) ? itemOf(target, property) !== null : property in target),
      set(target, property, value) {
        if (isItem(property)) setItem.call(target, toOwn(property), value);
        return true;
      },
      defineProperty(target, property, { value }) {
        if (isItem(property)) setItem.call(target, toOwn(property), value);
        return true;
      },
      deleteProperty(target, property) {
        if (isItem(property)) removeItem.call(target, toOwn(property));
        return true;
      },
      ownKeys: (target) => ownKeys(target).map(toBare).filter(isItem),
      getOwnPropertyDescriptor(target, property) {
        const value = isItem(property) ? itemOf(target, property) : null;
        return value === null ? undefined : { value, writable: true, enumerable: true, configurable: true };
      },
    });
    genuine.set(view, storage);
    views.set(storage, view);
    return view;
  };
  for (const name of ["localStorage", "sessionStorage"]) {
    const view = viewOf(window[name]);
    replaceGetter(window, name, () => view);
  }

  replaceMethod(Storage.prototype, "getItem", function (key) {
    return getItem.call(toGenuine(this), toOwn(key));
  });
  replaceMethod(Storage.prototype, "setItem", function (key, value) {
    setItem.call(toGenuine(this), toOwn(key), value);
  });
  replaceMethod(Storage.prototype, "removeItem", function (key) {
    removeItem.call(toGenuine(this), toOwn(key));
  });
  replaceMethod(Storage.prototype, "key", function (index) {
    const key = ownKeys(toGenuine(this))[index];
    return key === undefined ? null : toBare(key);
  });
  replaceMethod(Storage.prototype, "clear", function () {
    const storage = toGenuine(this);
    for (const key of ownKeys(storage)) removeItem.call(storage, key);
  });
  replaceGetter(Storage.prototype, "length", function () {
    return ownKeys(toGenuine(this)).length;
  });

  // What another seat's page stores is nobody's event here. The editor also sends itself
  // such events, with bare keys; those pass.
  const keyOf = getterOf(StorageEvent.prototype, "key");
  replaceGetter(StorageEvent.prototype, "key", function () {
    const key = keyOf.call(this);
    return isOwn(key) ? toBare(key) : key;
  });
  const areaOf = getterOf(StorageEvent.prototype, "storageArea");
  replaceGetter(StorageEvent.prototype, "storageArea", function () {
    const area = areaOf.call(this);
    return views.get(area) ?? area;
  });
  // Events of the editor's own name a view, where the browser takes a storage only.
  window.StorageEvent = new Proxy(StorageEvent, {
    construct(target, [type, init], newTarget) {
      const area = init?.storageArea;
      const given = area ? { ...init, storageArea: toGenuine(area) } : init;
      return Reflect.construct(target, [type, given], newTarget);
    },
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

  // Browsers offer locks to secure pages only.
  if (window.LockManager) {
    const { request, query } = LockManager.prototype;
    replaceMethod(LockManager.prototype, "request", function (name, ...rest) {
      return request.call(this, toOwn(name), ...rest);
    });
    replaceMethod(LockManager.prototype, "query", async function () {
      const { held, pending } = await query.call(this);
      const own = (locks) => locks.filter(({ name }) => isOwn(name)).map((lock) => ({ ...lock, name: toBare(lock.name) }));
      return { held: own(held), pending: own(pending) };
    });
  }

  // The editor takes `window.name` for its id, and the name outlives the page: another
  // seat's, or one that a link gave, is dropped.
  const marker = "comfy-multi:window";
  const tab = toGenuine(sessionStorage);
  if (getItem.call(tab, marker) !== seat) {
    window.name = "";
    setItem.call(tab, marker, seat);
  }
}
