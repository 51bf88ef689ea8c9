export const playgroundPage = () => null;
