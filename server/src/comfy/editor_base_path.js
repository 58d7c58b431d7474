// Lets the editor's router start below a path.
//
// Frontend 1.32 (not 1.27, not 1.58) gives its router the base "./", which Vue Router reads as "/.": below
// any path but "/" it then finds no page and stays blank. Where that has happened, this sends
// the router to its own start page, and keeps the address bar on the seat's path meanwhile.
// Versions whose router finds its page are left alone. Uses Vue's and Vue Router's public
// interfaces only.
function startBelowPath() {
  "use strict";
  const base = location.pathname.slice(0, location.pathname.lastIndexOf("/"));

  // No page can be called "/./…", so a router that writes it means its own base.
  const misread = `${location.origin}/./`;
  for (const method of ["pushState", "replaceState"]) {
    const original = history[method];
    history[method] = function (state, title, url) {
      const text = String(url);
      const kept = text.startsWith(misread) ? `${base}/${text.slice(misread.length)}` : url;
      return original.call(this, state, title, kept);
    };
  }

  const start = async (app) => {
    const router = app.config.globalProperties.$router;
    if (!router) return;
    await router.isReady();
    if (router.currentRoute.value.matched.length === 0) await router.replace("/");
  };
  const container = () => document.getElementById("vue-app")?.__vue_app__;
  // Mounting changes the page, so there is a change to see when the app is there.
  const observer = new MutationObserver(() => {
    const app = container();
    if (!app) return;
    observer.disconnect();
    void start(app);
  });
  observer.observe(document, { childList: true, subtree: true });
}
