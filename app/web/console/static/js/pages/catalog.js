export const catalogPage = () => null;
