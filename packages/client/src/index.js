export { createClient } from "./client.js";
export { END_REASONS } from "./document.js";
export { ClientFault, FAULTS } from "./faults.js";
export { browserStorage, memoryStorage } from "./storage.js";
export { systemClock, systemRandom } from "./world.js";
